/** Entry point of the child process that makes a certificate: options come in as a message, the certificate goes out as one. */
import process from 'node:process';
import { type SelfSignedOptions, selfSigned } from './self-signed.ts';

process.once('message', (options: SelfSignedOptions) => {
  selfSigned(options).then(
    (made) => process.send?.(made, () => process.disconnect()),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
      process.disconnect();
    },
  );
});
