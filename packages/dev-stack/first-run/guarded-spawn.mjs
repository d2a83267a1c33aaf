import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const guard = fileURLToPath(new URL('../src/process/guard.sh', import.meta.url));

/**
 * Starts a program that does not outlive us, also when we are killed: it gets SIGTERM then, and SIGKILL after
 * the grace period.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ graceSeconds: number, output: 'inherit' | 'pipe' | number, input?: 'inherit' | 'ignore',
 *   cwd?: string, env?: NodeJS.ProcessEnv }} options
 */
export function spawnGuarded(file, args, { graceSeconds, output, input = 'ignore', ...where }) {
  const child = spawn('sh', [guard, 'TERM', String(graceSeconds), file, ...args], {
    ...where,
    stdio: [input, output, output, 'pipe'],
  });
  const lifeline = child.stdio[3];
  lifeline.on('error', () => undefined); // the watcher has gone before us
  child.once('exit', () => lifeline.end('released\n'));
  return child;
}
