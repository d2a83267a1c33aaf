import { delimiter } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { spawnGuarded } from './guarded-spawn.mjs';
import { endWithNpm } from './end-with-npm.mjs';

const nodeModules = fileURLToPath(new URL('../../../node_modules/', import.meta.url));
/** A stack needs some seconds to stop in order. */
const orphanGraceSeconds = 15;

/**
 * Replaces this process by the pinned Node, as far as the outside can tell: same streams, same signals, same
 * end. The guard ends it when we are killed and cannot pass that on.
 * @param {string} script
 * @param {readonly string[]} args
 */
export function runOnPinnedNode(script, args) {
  const child = spawnGuarded(`${nodeModules}node/bin/node`, [script, ...args], {
    graceSeconds: orphanGraceSeconds,
    input: 'inherit',
    output: 'inherit',
    env: childEnvironment(),
  });
  child.once('error', (error) => {
    process.stderr.write(`Node could not be started: ${error.message}\n`);
    process.exit(1);
  });
  const stopForwarding = forwardSignals(child);
  child.once('exit', (code, signal) => {
    stopForwarding();
    if (signal) process.kill(process.pid, signal);
    else process.exit(code ?? 1);
  });
  endWithNpm();
}

function childEnvironment() {
  return {
    ...process.env,
    PATH: `${nodeModules}.bin${delimiter}${process.env.PATH ?? ''}`,
    // Half of what a service takes to start is compiling what was compiled before.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? `${nodeModules}.cache/node`,
    // kafkajs 2.2.4 computes a timer's delay from the wrong clock, and Node 24 says so on every start.
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --disable-warning=TimeoutNegativeWarning`.trim(),
  };
}

function forwardSignals(child) {
  const forwarded = ['SIGTERM', 'SIGHUP', 'SIGINT'];
  const forward = (signal) => {
    // Ctrl-C in a terminal has reached the child already: a second one would look like impatience.
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of forwarded) process.on(signal, forward);
  return () => {
    for (const signal of forwarded) process.removeListener(signal, forward);
  };
}
