/** The child's side of `child-task.ts`. */
import process from 'node:process';

/** Answers the one request. What is thrown ends the process with its stack on stderr. */
export function answerParent<Request, Result extends object>(work: (request: Request) => Promise<Result>): void {
  process.once('message', (request: Request) => {
    work(request).then(
      (result) => process.send?.(result, () => process.disconnect()),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
        process.exitCode = 1;
        process.disconnect();
      },
    );
  });
}
