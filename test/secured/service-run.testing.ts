/** Our programs as processes that cannot outlive the run, with what they print. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import { waitFor } from '@meterhouse/runtime';

export const SERVICES = ['aggregator', 'quota-snapshot', 'decision-log', 'webhooks', 'relay', 'api'] as const;
export type ServiceName = (typeof SERVICES)[number];

const ROOT = new URL('../../', import.meta.url);
const GUARD = fileURLToPath(new URL('packages/dev-stack/src/process/guard.sh', ROOT));
const DEADLINE = { deadlineMs: 90_000 };

export interface ProgramRun {
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  output(): string;
  /** The first group of the first match in what it prints. */
  says(pattern: RegExp): Promise<string>;
  signal(signal: NodeJS.Signals): void;
}

export function runService(name: ServiceName, env: Readonly<Record<string, string>>): ProgramRun {
  return run(`services/${name}/src/main.ts`, [], { METRICS_PORT: '0', ...env });
}

export function runCommand(args: readonly string[], env: Readonly<Record<string, string>>): ProgramRun {
  return run('packages/cli/src/main.ts', args, env);
}

function run(script: string, args: readonly string[], env: Readonly<Record<string, string>>): ProgramRun {
  const program = [process.execPath, fileURLToPath(new URL(script, ROOT)), ...args];
  const child = spawn('sh', [GUARD, 'KILL', '0', ...program], {
    env: {
      ...bareEnvironment(),
      NODE_OPTIONS: '--disable-warning=TimeoutNegativeWarning',
      ...env,
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const lifeline = child.stdio[3] as Writable;
  // The watcher may have gone first; there is nobody left to tell then.
  lifeline.on('error', () => undefined);
  child.once('exit', () => lifeline.end('released\n'));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([code]: unknown[]) => code as number | null);
  return {
    ended,
    output: () => output,
    says: (pattern) =>
      waitFor(
        `${script} to say ${String(pattern)}; it said:\n${output}`,
        () => {
          const found = pattern.exec(output)?.[1];
          if (found === undefined && child.exitCode !== null) throw new Error(`${script} ended:\n${output}`);
          return found;
        },
        DEADLINE,
      ),
    signal: (signal) => child.kill(signal),
  };
}
