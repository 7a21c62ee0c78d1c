/** A mutation that came too late, refused by a backend that says what stands there instead. */
import { ZoneletError } from '../errors.ts';
import type { Fence } from './contract.ts';

export class Fenced extends ZoneletError {
  /** The fence that refused it. */
  readonly current: Pick<Fence, 'epoch' | 'holder'>;

  constructor(message: string, current: Pick<Fence, 'epoch' | 'holder'>) {
    super('Fenced', message);
    this.current = { epoch: current.epoch, holder: current.holder };
  }
}
