/**
 * The real Prometheus over a running system: data folder and port of its own, the rules of deploy/.
 *
 *   const prometheus = await startPrometheus({ endpoints: await readEndpoints(dataDir), folder });
 *   await prometheus.query('max(usage_aggregator_lag_seconds)');
 */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Endpoints } from '@meterhouse/dev-stack';
import { waitFor } from '@meterhouse/runtime';
import type { z } from 'zod';
import { choosePorts } from '../../packages/dev-stack/src/data-dir/ports.ts';
import { spawnGuarded } from '../../packages/dev-stack/src/process/guarded-process.ts';
import { lastLogLines, openPartLog } from '../../packages/dev-stack/src/process/part-log.ts';
import {
  alertsAnswer,
  numberOf,
  queryAnswer,
  rangeAnswer,
  targetsAnswer,
  type Alert,
  type Sample,
  type Series,
} from './prometheus-answers.ts';
import { scrapeConfiguration, type ScrapeOptions } from './scrape-configuration.ts';

export const RULES_PATH = fileURLToPath(new URL('../../deploy/prometheus/alerts.yaml', import.meta.url));

const START_MS = 30_000;
const STOP_MS = 10_000;
const QUESTION_MS = 10_000;

export interface RunningPrometheus {
  /** http://127.0.0.1:port */
  readonly url: string;
  /** An instant query. A scalar is one sample without labels. */
  readonly query: (expression: string) => Promise<readonly Sample[]>;
  /** @param fromMs, toMs epoch ms */
  readonly queryRange: (
    expression: string,
    span: { readonly fromMs: number; readonly toMs: number; readonly stepSeconds: number },
  ) => Promise<readonly Series[]>;
  /** Those that are pending or firing. */
  readonly alerts: () => Promise<readonly Alert[]>;
  /** The jobs that were scraped, and whether the last scrape came through. */
  readonly targets: () => Promise<Readonly<Record<string, boolean>>>;
  readonly stop: () => Promise<void>;
}

export interface PrometheusOptions extends Partial<ScrapeOptions> {
  readonly endpoints: Pick<Endpoints, 'metrics'>;
  /** Of its own; its data, configuration and log lie there. */
  readonly folder: string;
}

/** Whether Debian's package `prometheus`, or another of that name, can be found by PATH. */
export function hasProgram(name: 'prometheus' | 'promtool'): boolean {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Resolves when it answers and has looked at every target once. */
export async function startPrometheus(options: PrometheusOptions): Promise<RunningPrometheus> {
  const { endpoints, folder, scrapeSeconds = 1, evaluationSeconds = 1, rulesPath = RULES_PATH } = options;
  mkdirSync(folder, { recursive: true });
  const { prometheus: port } = await choosePorts(folder, ['prometheus'], {});
  const configPath = join(folder, 'prometheus.json');
  writeFileSync(configPath, scrapeConfiguration(endpoints, { scrapeSeconds, evaluationSeconds, rulesPath }));
  const logPath = join(folder, 'prometheus.log');
  const child = startProcess({ configPath, folder, port, logPath });
  const url = `http://127.0.0.1:${port}`;
  const prometheus = { ...questions(url), url, stop: () => stop(child) };
  try {
    await waitFor(
      'Prometheus to look at every target',
      async () => {
        if (hasEnded(child)) throw new Error(`Prometheus ended:\n${lastLogLines(logPath)}`);
        return (await lookedAtAll(prometheus)) ? true : undefined;
      },
      { deadlineMs: START_MS, everyMs: 100 },
    );
  } catch (error) {
    await stop(child);
    throw error;
  }
  return prometheus;
}

interface Place {
  readonly configPath: string;
  readonly folder: string;
  readonly port: number;
  readonly logPath: string;
}

function startProcess({ configPath, folder, port, logPath }: Place): ChildProcess {
  const log = openPartLog(logPath);
  try {
    return spawnGuarded(
      {
        file: 'prometheus',
        args: [
          `--config.file=${configPath}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          '--storage.tsdb.retention.time=1d',
          `--web.listen-address=127.0.0.1:${port}`,
          '--log.level=warn',
        ],
        whenOrphaned: { signal: 'TERM', graceSeconds: STOP_MS / 1_000 },
      },
      log,
    );
  } finally {
    closeSync(log);
  }
}

async function lookedAtAll({ targets }: Pick<RunningPrometheus, 'targets'>): Promise<boolean> {
  try {
    await targets();
    return true;
  } catch (error) {
    if (error instanceof NotLookedAt || error instanceof TypeError) return false;
    throw error;
  }
}

class NotLookedAt extends Error {
  override name = 'NotLookedAt';
}

function questions(url: string): Omit<RunningPrometheus, 'url' | 'stop'> {
  return {
    query: async (expression) => {
      const { data } = await ask(url, '/api/v1/query', { query: expression }, queryAnswer);
      if (data.resultType === 'scalar') return [{ labels: {}, value: numberOf(data.result[1]) }];
      return data.result.map(({ metric, value }) => ({ labels: metric, value: numberOf(value[1]) }));
    },
    queryRange: async (expression, { fromMs, toMs, stepSeconds }) => {
      const span = { start: `${fromMs / 1_000}`, end: `${toMs / 1_000}`, step: `${stepSeconds}` };
      const { data } = await ask(url, '/api/v1/query_range', { query: expression, ...span }, rangeAnswer);
      return data.result.map(({ metric, values }) => ({
        labels: metric,
        values: values.map(([at, value]) => [at, numberOf(value)] as const),
      }));
    },
    alerts: async () => (await ask(url, '/api/v1/alerts', {}, alertsAnswer)).data.alerts,
    targets: async () => {
      const { activeTargets } = (await ask(url, '/api/v1/targets', { state: 'active' }, targetsAnswer)).data;
      if (activeTargets.length === 0 || activeTargets.some(({ health }) => health === 'unknown'))
        throw new NotLookedAt('a target has not been scraped yet');
      return Object.fromEntries(
        activeTargets.map(({ labels, health }) => [labels['job'] ?? '', health === 'up']),
      );
    },
  };
}

async function ask<Answer extends z.ZodType>(
  url: string,
  path: string,
  parameters: Readonly<Record<string, string>>,
  answer: Answer,
): Promise<z.infer<Answer>> {
  const response = await fetch(`${url}${path}?${new URLSearchParams(parameters).toString()}`, {
    signal: AbortSignal.timeout(QUESTION_MS),
  });
  const text = await response.text();
  // Prometheus listens before it has read its data, and says so with 503.
  if (response.status === 503) throw new NotLookedAt(text);
  if (!response.ok) throw new Error(`Prometheus answers ${response.status} to ${path}: ${text}`);
  return answer.parse(JSON.parse(text));
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(deadline);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
