/**
 * What can only be known by asking a store is asked on a schedule, never by a scrape: scrapes cost the
 * same however many there are, and go on while the store is away. How old the answer is, is exported.
 */
import type { Counter } from 'prom-client';
import type { Logger } from '../logger.ts';
import { isAborted, pause } from '../waiting.ts';
import { OBSERVATION_METRICS, type Metrics } from './metrics.ts';

export interface Observation {
  /** Also the label of its age; one of a few that the service names. */
  readonly name: string;
  readonly everyMs: number;
  /** After which an attempt counts as failed. The next one still waits until it has ended. */
  readonly timeoutMs: number;
  /** Asks, and keeps the answer for the gauges. */
  readonly look: (signal: AbortSignal) => Promise<void>;
}

export interface Observations {
  stop(): Promise<void>;
}

export interface ObservationDeps {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** ms, monotonic. */
  readonly now?: () => number;
}

const STOP_WAIT_MS = 1_000;

/** Looks at once, and then again and again, each observation for itself, until stopped. */
export function observe(observations: readonly Observation[], deps: ObservationDeps): Observations {
  const { metrics } = deps;
  const now = deps.now ?? (() => performance.now());
  const stopping = new AbortController();
  const startedAt = now();
  const seenAt = new Map(observations.map(({ name }) => [name, startedAt]));
  metrics.gauge(OBSERVATION_METRICS.observationAge, () =>
    Array.from(seenAt, ([observation, at]) => ({
      labels: { observation },
      value: (now() - at) / 1_000,
    })),
  );
  const failures = metrics.counter(OBSERVATION_METRICS.observationFailures);
  const loops = observations.map((observation) =>
    repeat(observation, {
      logger: deps.logger,
      failures: failures.labels(observation.name),
      seen: () => seenAt.set(observation.name, now()),
      signal: stopping.signal,
    }),
  );
  return {
    stop: async () => {
      stopping.abort();
      // An attempt that nobody answers must not hold up what has to be drained.
      const patience = new AbortController();
      await Promise.race([Promise.all(loops), pause(STOP_WAIT_MS, patience.signal)]);
      patience.abort();
    },
  };
}

interface Repetition {
  readonly logger: Logger;
  readonly failures: Counter.Internal;
  readonly seen: () => void;
  readonly signal: AbortSignal;
}

async function repeat(observation: Observation, repetition: Repetition): Promise<void> {
  const { name, everyMs } = observation;
  const { logger, failures, seen, signal } = repetition;
  let failing = false;
  while (!signal.aborted) {
    try {
      await lookOnce(observation, repetition);
      seen();
      if (failing) logger.info({ observation: name }, 'observed again');
      failing = false;
    } catch (error) {
      // Stopping cuts an attempt short; that is no failure.
      if (isAborted(signal)) return;
      failures.inc();
      if (!failing)
        logger.warn({ observation: name, err: error }, 'cannot be observed; its gauges stand still');
      failing = true;
    }
    await pause(everyMs, signal);
  }
}

async function lookOnce(
  { name, timeoutMs, look }: Observation,
  { logger, failures, signal }: Repetition,
): Promise<void> {
  const timer = setTimeout(() => {
    failures.inc();
    logger.warn({ observation: name, timeoutMs }, 'an observation takes longer than it may');
  }, timeoutMs);
  try {
    await look(signal);
  } finally {
    clearTimeout(timer);
  }
}
