/** The child process that makes a certificate. */
import { answerParent } from '../child-task-entry.ts';
import { type SelfSignedOptions, selfSigned } from './self-signed.ts';

answerParent((options: SelfSignedOptions) => selfSigned(options));
