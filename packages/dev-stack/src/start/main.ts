/** The main job: `npm start`. */
import { isAbsolute, resolve } from 'node:path';
import process from 'node:process';
import { Releases } from '@meterhouse/runtime';
import { NothingToStart, parseOptions, type StartOptions } from './options.ts';
import { openScreen } from './screen/screen.ts';
import { startMeterhouse } from './start-meterhouse.ts';

process.exit(await main());

async function main(): Promise<number> {
  let options: StartOptions;
  try {
    options = parseOptions(process.argv.slice(2), typedIn);
  } catch (error) {
    if (error instanceof NothingToStart) return error.exitCode;
    throw error;
  }
  const screen = openScreen(process.stdout, process.env['TERM']);
  const releases = new Releases();
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // Whoever asks twice does not want to wait; the guards end what we leave behind.
      if (stopping.signal.aborted) process.exit(130);
      screen.draw([]);
      screen.say('Stopping… (once more to stop at once)');
      stopping.abort();
    });
  }
  let exitCode: number;
  try {
    exitCode = await startMeterhouse(options, {
      screen,
      releases,
      signal: stopping.signal,
      logLevel: process.env['LOG_LEVEL'] ?? 'info',
    });
  } finally {
    screen.draw([]);
    await releases.releaseAll();
  }
  return exitCode;
}

/** A path as the person meant it who typed it: npm runs us in the repository's root, wherever that was. */
function typedIn(path: string): string {
  if (isAbsolute(path)) return path;
  const typedAt = process.env['npm_lifecycle_event'] === 'start' ? process.env['INIT_CWD'] : undefined;
  return resolve(typedAt ?? process.cwd(), path);
}
