/** The child process that makes keys, and certificates or requests for them. */
import { answerParent } from '../child-task-entry.ts';
import { type SelfSignedOptions, selfSigned } from './self-signed.ts';
import { type SigningRequestOptions, signingRequest } from './signing-request.ts';

export type CertificateTask =
  | { readonly make: 'self-signed'; readonly options: SelfSignedOptions }
  | { readonly make: 'request'; readonly options: SigningRequestOptions };

answerParent(async (task: CertificateTask) =>
  task.make === 'request' ? await signingRequest(task.options) : await selfSigned(task.options),
);
