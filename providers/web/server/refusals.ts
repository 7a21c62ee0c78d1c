/** Errors that carry more than a code, for the answer's body. */
import { type ErrorCode, ZoneletError } from '../../../src/errors.ts';
import type { Unsupported } from '../../../src/provider/contract.ts';

/** A pod has fields that the backend cannot honour. */
export class UnsupportedPod extends ZoneletError {
  readonly unsupported: readonly Unsupported[];

  constructor(unsupported: readonly Unsupported[]) {
    super('Unsupported', unsupported.map(({ path, reason }) => `${path}: ${reason}`).join('; '));
    this.unsupported = unsupported;
  }
}

/** A refusal whose status says more than its code. */
export class Refused extends ZoneletError {
  readonly status: number;

  constructor(status: number, code: ErrorCode, message: string) {
    super(code, message);
    this.status = status;
  }
}
