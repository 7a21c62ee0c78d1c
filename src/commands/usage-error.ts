/** The user asked for something that cannot be meant. Ends a command with exit status 2. */
import { ZoneletError } from '../errors.ts';

export class UsageError extends ZoneletError {
  /** `message` may have several lines, one per mistake. */
  constructor(message: string) {
    super('InvalidInput', message);
  }
}
