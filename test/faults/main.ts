/** `npm run test:faults`: see docs/ops/fault-run.md. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Releases } from '@meterhouse/runtime';
import { parseOptions, USAGE, UsageError, type Options } from './options.ts';
import { render, summarize } from './report.ts';
import { run } from './run.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

let options: Options;
try {
  options = parseOptions(process.argv.slice(2), () => randomBytes(4).toString('hex'));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n${USAGE}\n`);
  process.exit(2);
}
process.exit(await faultRun(options));

async function faultRun(wanted: Options): Promise<number> {
  say(`fault run, seed ${wanted.seed}`);
  const dir = await mkdtemp(join(tmpdir(), 'meterhouse-faults-'));
  mkdirSync(join(dir, 'compile-cache'));
  const releases = new Releases();
  const stopping = new AbortController();
  const stopped = Promise.withResolvers<never>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      stopping.abort();
      stopped.reject(new Error(`stopped by ${signal}`));
    });
  let passed = false;
  try {
    const result = await Promise.race([
      run(wanted, { dir, releases, stop: stopping.signal, say }),
      stopped.promise,
    ]);
    const summary = summarize(result);
    say(`\n${render(summary)}`);
    if (wanted.json !== null) writeFileSync(wanted.json, `${JSON.stringify(summary, null, 2)}\n`);
    passed = summary.problems.length === 0;
  } catch (error) {
    say(`\nFAILED: ${inspect(error)}`);
  } finally {
    await releases.releaseAll();
    await cleanUp(dir, passed);
  }
  return passed ? 0 : 1;
}

/** After a failure the logs stay: the same seed breaks the same things, but never at the same instant. */
async function cleanUp(dir: string, passed: boolean): Promise<void> {
  if (passed) {
    await rm(dir, { recursive: true, force: true });
    return;
  }
  for (const name of await readdir(dir))
    if (!name.endsWith('.log')) await rm(join(dir, name), { recursive: true, force: true });
  say(`logs of the processes: ${dir}`);
}
