/** The main job, from nothing to a running system and back. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Releases } from '@meterhouse/runtime';
import { DataDirInUseError, PartFailedError } from '../stack.ts';
import { runDemo, type JobTools } from './demo-job.ts';
import { runImport } from './import-job.ts';
import { freshnessWords } from './live/live-lines.ts';
import { StuckError } from './live/pipeline-watch.ts';
import { MeterhouseCommandError, runMeterhouse, type RunMeterhouse } from './meterhouse-command.ts';
import { showDecisions } from './deciding/show-decisions.ts';
import type { Job, StartOptions } from './options.ts';
import { applyRegistry } from './registry-apply.ts';
import type { Screen } from './screen/screen.ts';
import { showPlaces, showResults } from './show-results.ts';
import { bringUp } from './system/bring-up.ts';

export interface Surroundings {
  readonly screen: Screen;
  readonly releases: Releases;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
  readonly logLevel: string;
}

export type ExitCode = 0 | 1 | 130;

/** Resolves when there is nothing more to do; the caller releases everything. */
export async function startMeterhouse(
  options: StartOptions,
  { screen, releases, signal, logLevel }: Surroundings,
): Promise<ExitCode> {
  try {
    const system = await bringUp({ dataDir: options.dataDir, screen, releases, signal, logLevel });
    const meterhouse: RunMeterhouse = (args, showProgress) =>
      runMeterhouse({ dataDir: system.dataDir, args, signal, showProgress: showProgress === true });
    const tools: JobTools = { system, screen, meterhouse, releases, signal };
    const done = await runJob(options.job, tools);
    if (!options.once) await stayUp(tools);
    return done ? 0 : 1;
  } catch (error) {
    if (signal.aborted) return 130;
    if (!(error instanceof DataDirInUseError || error instanceof PartFailedError)) throw error;
    screen.say(screen.paint.bad(error.message));
    return 1;
  }
}

/** @returns whether all went well and all is equal; what went wrong is on the screen */
async function runJob(job: Job, tools: JobTools): Promise<boolean> {
  const { screen } = tools;
  try {
    switch (job.kind) {
      case 'demo':
        await runDemo(job, tools);
        // First what needs fresh usage: reading the results takes its time.
        await showDecisions(tools);
        return await showResults(null, tools);
      case 'import': {
        const { span, complete } = await runImport(job, tools);
        return (await showResults(span, tools)) && complete;
      }
      case 'empty':
        if (job.registry !== null) screen.say(`  ${await applyRegistry(tools.meterhouse, job.registry)}`);
        return true;
    }
  } catch (error) {
    // The system itself is up, and worth staying up for whoever looks for the cause.
    if (!(error instanceof StuckError || error instanceof MeterhouseCommandError)) throw error;
    screen.draw([]);
    screen.say(`  ${screen.paint.bad(error.message)}`);
    return false;
  }
}

/** Until Ctrl-C. On a terminal, one line says how fresh everything is. */
async function stayUp(tools: JobTools): Promise<void> {
  const { system, screen, signal } = tools;
  await showPlaces(tools);
  screen.say();
  screen.say('Running. Ctrl-C stops everything.');
  while (!signal.aborted) {
    screen.draw([`  ${freshnessWords(system.watch, Date.now(), screen.paint)}`]);
    await delay(1_000, undefined, { signal }).catch(() => undefined);
  }
  screen.draw([]);
}
