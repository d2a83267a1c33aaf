/**
 * Counts one run of records, however often Postgres goes away meanwhile: the part of the flush that
 * every source (a Kafka partition, the quarantine being replayed, direct counting) shares.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { backoffMs, DeadlineError, type Logger } from '@meterhouse/runtime';
import type { Registry, Window } from '@meterhouse/usage';
import type { FlushTrace } from '../flush-trace.ts';
import { errorCode, isRetryable } from '../errors.ts';
import { flush, UnsettledError, type Failpoint, type FlushResult } from '../flush/index.ts';
import { checkRecords, type CheckedRecords, type DecodedRecord } from './check-records.ts';
import type { DedupPeriods } from './dedup-periods.ts';
import type { CountingObserver } from './observer.ts';
import type { RegistryCache } from './registry-cache.ts';

const BACKOFF = { baseMs: 100, maxMs: 5_000 };
/** A registry that changes this often between check and lock is not being edited by people. */
const MAX_REGISTRY_RELOADS = 100;

export interface CountingDeps {
  readonly pool: Pool;
  readonly registry: RegistryCache;
  readonly periods: DedupPeriods;
  readonly window: Window;
  readonly failpoint: Failpoint;
  readonly random: () => number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly observer: CountingObserver;
  /** How long Postgres may be away before counting gives up: in a service, for its supervisor to take over. */
  readonly postgresTimeoutMs: number;
}

export interface Run {
  readonly source: string;
  readonly partition: number;
  readonly fromOffset: bigint;
  readonly nextOffset: bigint;
  /** The records already checked, where checking overlapped with the flush before. */
  readonly checked?: Checked;
  /** Checks the records against the registry as this process knows it now. */
  readonly check: () => Promise<Checked>;
  /** An instant through which the partition is complete once the run is counted. Asked at each try. */
  readonly processedThrough: () => Date | null;
  readonly replayOf: ReadonlyMap<bigint, bigint> | null;
  /** Kept with the flush for what passes it on. */
  readonly trace?: FlushTrace | null;
}

/** Records checked against one version of the registry. */
export interface Checked extends CheckedRecords {
  readonly registry: Registry;
}

/** Checks records against the registry as this process knows it. */
export async function checkNow(deps: CountingDeps, records: readonly DecodedRecord[]): Promise<Checked> {
  const registry = await deps.registry.get();
  return { registry, ...checkRecords(records, registry, deps.window) };
}

export type CountResult = Exclude<FlushResult, { kind: 'registry_changed' }>;

/**
 * @param abandoned asked before each retry: a run that nobody waits for any more is not tried again
 * @returns what the flush said, or null when abandoned
 * @throws what cannot be retried, or what was still failing after postgresTimeoutMs
 */
export async function countRun(
  deps: CountingDeps,
  run: Run,
  abandoned: () => boolean,
): Promise<CountResult | null> {
  const startedAt = performance.now();
  const where = { source: run.source, partition: run.partition };
  const attempt = (checked: Checked): Promise<FlushResult> => countOnce(deps, run, checked);
  const counted = await untilCounted(deps, where, run, attempt, abandoned);
  if (counted === null) return null;
  const { result, records } = counted;
  deps.observer.flushed({
    ...where,
    records,
    durationMs: performance.now() - startedAt,
    isReplay: run.replayOf !== null,
    result,
  });
  return result;
}

interface ToCheck {
  readonly checked?: Checked;
  readonly check: () => Promise<Checked>;
}

/** Tries until the attempt says something else than that the registry has changed. */
export async function untilCounted<Result extends { readonly kind: string }>(
  deps: CountingDeps,
  where: { readonly source: string; readonly partition?: number },
  toCheck: ToCheck,
  attemptOnce: (checked: Checked) => Promise<Result>,
  abandoned: () => boolean,
): Promise<{ result: Exclude<Result, { kind: 'registry_changed' }>; records: number } | null> {
  const startedAt = performance.now();
  let checked: Checked | undefined = toCheck.checked;
  let reloads = 0;
  // A server that is frozen, or behind a cut cable, neither answers nor refuses.
  const answered = <T>(asked: Promise<T>): Promise<T> =>
    within(deps.postgresTimeoutMs, performance.now() - startedAt, asked);
  for (let attempt = 0; ;) {
    if (abandoned()) return null;
    try {
      checked ??= await answered(toCheck.check());
      const result = await answered(attemptOnce(checked));
      if (isCounted(result)) {
        if (attempt > 0) deps.logger.info({ ...where, attempt }, 'counting goes on');
        return { result, records: checked.accepted.length + checked.refused.length };
      }
      if (++reloads > MAX_REGISTRY_RELOADS)
        throw new Error('the registry changes faster than a batch can be counted');
      await deps.registry.reload();
      checked = undefined;
    } catch (thrown) {
      const error = thrown instanceof UnsettledError ? thrown.cause : thrown;
      const awayMs = performance.now() - startedAt;
      if (!isRetryable(error) || awayMs > deps.postgresTimeoutMs) throw error;
      deps.observer.retried();
      // The first and then ever rarer: an outage of hours must not fill the log.
      if ((attempt & (attempt - 1)) === 0)
        deps.logger.warn({ ...where, code: errorCode(error), attempt }, 'counting waits for Postgres');
      await delay(backoffMs(attempt, BACKOFF, deps.random));
      attempt += 1;
    }
  }
}

/** @throws DeadlineError, which is not retried: what was asked may still come about, and whoever starts anew finds it */
async function within<T>(timeoutMs: number, awayMs: number, asked: Promise<T>): Promise<T> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new DeadlineError('an answer of Postgres', timeoutMs)),
    Math.max(0, timeoutMs - awayMs),
  );
  try {
    return await Promise.race([asked, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

function isCounted<Result extends { readonly kind: string }>(
  result: Result,
): result is Exclude<Result, { kind: 'registry_changed' }> {
  return result.kind !== 'registry_changed';
}

async function countOnce(deps: CountingDeps, run: Run, checked: Checked): Promise<FlushResult> {
  await deps.periods.ensureFor(checked.accepted);
  return flush(
    deps.pool,
    {
      source: run.source,
      partition: run.partition,
      fromOffset: run.fromOffset,
      nextOffset: run.nextOffset,
      registryVersion: checked.registry.version,
      accepted: checked.accepted,
      refused: checked.refused,
      processedThrough: run.processedThrough(),
      replayOf: run.replayOf,
      trace: run.trace ?? null,
    },
    checked.registry,
    deps.failpoint,
  );
}
