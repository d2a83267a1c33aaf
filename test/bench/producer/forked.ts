import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What it writes goes nowhere: the log adapter writes a line for each event. */
export function forked(file: string): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  // Whoever waits for a message of it would wait for ever.
  child.once('exit', (code) => {
    if (code !== 0) child.emit('error', new Error(`${file} ended with ${code}`));
  });
  return child;
}
