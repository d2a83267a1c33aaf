import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Option, type Command } from 'commander';
import type { Context, Run } from '../context.ts';
import type { ExitCode } from '../exit.ts';

interface RelayCommandOptions {
  readonly to: 'kafka' | 'direct';
}

/** Found by its place in the repository: a package does not import a service. */
const SCRIPT = fileURLToPath(new URL('../../../../services/relay/src/main.ts', import.meta.url));

export function addRelay(program: Command, run: Run): void {
  program
    .command('relay')
    .description(
      'Runs a relay of the outbox until Ctrl-C: to Kafka, or into the hour buckets where there is none.',
    )
    .addOption(new Option('--to <target>', 'where events go').choices(['kafka', 'direct']).default('kafka'))
    .action((options: RelayCommandOptions) => run((context) => relay(context, options)));
}

async function relay({ stores, signal }: Context, { to }: RelayCommandOptions): Promise<ExitCode> {
  const kafka: Record<string, string> =
    to === 'direct'
      ? {}
      : {
          KAFKA_BROKERS: stores.urlOf('kafka'),
          SCHEMA_REGISTRY_URL: stores.urlOf('schemaRegistry'),
          USAGE_EVENTS_TOPIC: stores.names.usageEventsTopic,
        };
  const child = spawn(process.execPath, [SCRIPT], {
    // URLs go by the environment: arguments can be read by everybody on the machine.
    env: { ...process.env, ...kafka, DATABASE_URL: stores.urlOf('postgres'), RELAY_TO: to },
    stdio: 'inherit',
  });
  const ended = once(child, 'exit') as Promise<[code: number | null]>;
  const stop = (): void => {
    child.kill('SIGTERM');
  };
  signal.addEventListener('abort', stop, { once: true });
  const [code] = await ended;
  signal.removeEventListener('abort', stop);
  return code === 0 ? 0 : 1;
}
