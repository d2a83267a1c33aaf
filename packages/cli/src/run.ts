/** One call of the command, from its arguments to its exit code. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { pino } from 'pino';
import { ConfigError } from '@meterhouse/runtime';
import { chosenApi } from './connect/api-choice.ts';
import { resolveEndpoints, type StoreName } from './connect/endpoints.ts';
import { Stores } from './connect/stores.ts';
import type { Run } from './context.ts';
import { UsageError, type ExitCode } from './exit.ts';
import { explain } from './explain.ts';
import { Output, type TextSink } from './output/output.ts';
import { addCommands } from './program.ts';
import { systemOverApi } from './system/api/index.ts';
import { systemOfStores } from './system/stores/index.ts';

/** What the process lends to one call. */
export interface Surroundings {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Epoch ms. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

interface GlobalOptions {
  readonly api?: string;
  readonly apiKey?: string;
  readonly apiKeyFile?: string;
  readonly dataDir?: string;
  readonly kafka?: string;
  readonly schemaRegistry?: string;
  readonly postgres?: string;
  readonly clickhouse?: string;
  readonly topic?: string;
  readonly clickhouseDatabase?: string;
  readonly clickhouseCluster?: string;
  readonly json?: boolean;
}

/** Options that say where stores are. */
const STORE_OPTIONS = [
  'dataDir',
  'kafka',
  'schemaRegistry',
  'postgres',
  'clickhouse',
  'topic',
  'clickhouseDatabase',
  'clickhouseCluster',
] as const satisfies readonly (keyof GlobalOptions)[];

/** @param args without the names of Node and the script */
export async function runMeterhouse(args: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const { stderr, env } = surroundings;
  let exitCode: ExitCode = 0;
  const program = createProgram(surroundings);
  const run: Run = async (work) => {
    exitCode = await withSystem(program.opts<GlobalOptions>(), surroundings, work);
  };
  addCommands(program, run);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return isAnswer(error) ? 0 : 2;
    stderr.write(`error: ${explain(error)}\n`);
    if (isDebugging(env) && error instanceof Error) stderr.write(`${stackOf(error)}\n`);
    return error instanceof UsageError || error instanceof ConfigError ? 2 : 1;
  }
}

export function createProgram({ stdout, stderr }: Surroundings): Command {
  return new Command('meterhouse')
    .description('Looks after a Meterhouse system: register, import, look at usage, check, repair.')
    .option('--api <url>', 'asks the API instead of the stores; or METERHOUSE_API_URL')
    .option('--api-key-file <file>', 'a file that holds the key for the API; or METERHOUSE_API_KEY')
    .option('--api-key <key>', 'the key itself, which others can see in "ps"')
    .option(
      '--data-dir <dir>',
      'folder of a running stack (default: .meterhouse, unless the variables are set)',
    )
    .option('--kafka <host:port,…>', 'brokers, instead of KAFKA_BROKERS')
    .option('--schema-registry <url>', 'instead of SCHEMA_REGISTRY_URL')
    .option('--postgres <url>', 'instead of DATABASE_URL')
    .option('--clickhouse <url>', 'instead of CLICKHOUSE_URL')
    .option('--topic <name>', 'usage events, instead of USAGE_EVENTS_TOPIC (default: usage_events)')
    .option('--clickhouse-database <name>', 'instead of CLICKHOUSE_DATABASE (default: meterhouse)')
    .option('--clickhouse-cluster <name>', 'instead of CLICKHOUSE_CLUSTER (default: one server)')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 done; 1 failed, or what was compared is not equal; 2 wrong usage.')
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .exitOverride();
}

async function withSystem(
  options: GlobalOptions,
  surroundings: Surroundings,
  work: Parameters<Run>[0],
): Promise<ExitCode> {
  const { env, now, signal } = surroundings;
  const api = chosenApi(
    {
      url: options.api ?? null,
      key: options.apiKey ?? null,
      keyFile: options.apiKeyFile ?? null,
      namesStores: STORE_OPTIONS.some((name) => options[name] !== undefined),
      env,
    },
    (path) => readFileSync(path, 'utf8'),
  );
  if (api === null) return withStores(options, surroundings, work);
  const out = new Output(surroundings, env, options.json === true);
  return work({
    ...{ out, now, signal, system: systemOverApi(api, { now, signal }) },
    get stores(): never {
      throw new UsageError(
        'this works on the stores themselves: leave out --api (and METERHOUSE_API_URL), and say where they are, as with --data-dir',
      );
    },
  });
}

async function withStores(
  options: GlobalOptions,
  surroundings: Surroundings,
  work: Parameters<Run>[0],
): Promise<ExitCode> {
  const { env, now, signal } = surroundings;
  const flags: Partial<Record<StoreName, string>> = {};
  for (const store of ['kafka', 'schemaRegistry', 'postgres', 'clickhouse'] as const)
    if (options[store] !== undefined) flags[store] = options[store];
  const endpoints = resolveEndpoints({ flags, dataDir: options.dataDir ?? null, env }, readFileIfThere);
  const names = {
    usageEventsTopic: options.topic ?? given(env['USAGE_EVENTS_TOPIC']) ?? 'usage_events',
    usageSnapshotsTopic: given(env['USAGE_SNAPSHOTS_TOPIC']) ?? 'usage_snapshots',
    clickhouseDatabase: options.clickhouseDatabase ?? given(env['CLICKHOUSE_DATABASE']) ?? 'meterhouse',
    // A folder's stack has one server, whatever the variables say of another system.
    clickhouseCluster:
      options.clickhouseCluster ?? (options.dataDir === undefined ? env['CLICKHOUSE_CLUSTER'] : null) ?? '',
  };
  // Standard output belongs to the result.
  const logger = pino(
    { name: 'meterhouse', level: given(env['LOG_LEVEL']) ?? 'silent' },
    pino.destination(2),
  );
  const stores = new Stores(endpoints, names, logger);
  try {
    const out = new Output(surroundings, env, options.json === true);
    const system = systemOfStores(stores, { out, now, signal });
    return await work({ out, system, stores, now, signal });
  } finally {
    await stores.close().catch((error: unknown) => {
      // The work is done or has failed by now; how a connection ended changes neither.
      logger.warn({ err: error }, 'a connection did not close cleanly');
    });
  }
}

function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function isDebugging(env: Readonly<Record<string, string | undefined>>): boolean {
  return env['LOG_LEVEL'] === 'debug' || env['LOG_LEVEL'] === 'trace';
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

/** Help and the like: commander throws these too. */
function isAnswer(error: CommanderError): boolean {
  return error.exitCode === 0;
}

function readFileIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
