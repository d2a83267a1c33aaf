import { cacheDirectory } from '../jvm/jvm-parts.mjs';

/** What this package takes from the environment; nothing else here reads it. */
export interface DevStackEnvironment {
  /** Real servers as child processes, or the same servers in containers. */
  stack: 'embedded' | 'containers';
  cacheDir: string;
  /** The data dir of a running stack that tests are to use, instead of one of their own. */
  runningDataDir: string | undefined;
}

export function readEnvironment(env: Readonly<Record<string, string | undefined>>): DevStackEnvironment {
  const stack = env['METERHOUSE_STACK'] ?? 'embedded';
  if (stack !== 'embedded' && stack !== 'containers') {
    throw new Error(`METERHOUSE_STACK is ${JSON.stringify(stack)}: it can be "embedded" or "containers".`);
  }
  return { stack, cacheDir: cacheDirectory(env), runningDataDir: env['METERHOUSE_DATA_DIR'] };
}
