/**
 * One publisher at a time: an advisory lock that lives as long as a Postgres session, made a lease by
 * the server. The session may not be idle for longer than the lease, so a leader that is frozen or cut
 * off loses it by the server's clock, and the next one may begin.
 *
 * The lock alone does not keep a leader that was frozen from publishing when it wakes; the broker does
 * (transactional-publication.ts). What ties the two together is `prove`.
 */
import { backoffMs, ignore, type Logger, pause } from '@meterhouse/runtime';
import type { Client } from 'pg';
import { aborted } from './waits.ts';

export interface Leadership {
  /** Fencing number, above those of all leaders before. */
  readonly epoch: number;
  /** Resolves if the lock was ours at some instant after the call; else rejects with LeadershipLostError. */
  prove(): Promise<void>;
  /** Aborted as soon as the lock may be another's. */
  readonly lost: AbortSignal;
  /** Lets the next one begin at once. */
  release(): Promise<void>;
}

export class LeadershipLostError extends Error {
  constructor(cause: unknown) {
    super('the session that holds the lock of the snapshot publisher is gone', { cause });
    this.name = 'LeadershipLostError';
  }
}

export interface LeadershipOptions {
  /** A new session that is not connected yet. Must reach the same server process every time: no transaction pooler. */
  readonly session: () => Client;
  /** What is published to: of publishers to other topics, each may lead. */
  readonly topic: string;
  /** How long a leader may be silent before another takes over. */
  readonly leaseMs: number;
  /** How often one that stands by asks for the lock. */
  readonly standbyMs: number;
  readonly logger: Logger;
  readonly random: () => number;
}

const RETRY = { baseMs: 200, maxMs: 10_000 };

/**
 * Stands by until the lock is ours. Whatever goes wrong with Postgres, it goes on asking.
 * @returns null once the signal is aborted
 */
export async function awaitLeadership(
  options: LeadershipOptions,
  signal: AbortSignal,
): Promise<Leadership | null> {
  const { logger, random } = options;
  for (let attempt = 0; !signal.aborted; attempt++) {
    const session = options.session();
    // A session that breaks between two queries says so by an event; here the next query rejects too.
    session.on('error', ignore);
    try {
      await session.connect();
      const leadership = await standBy(session, options, signal);
      if (leadership !== null) return leadership;
    } catch (error) {
      logger.warn({ err: error, attempt }, 'cannot ask Postgres for the lock of the snapshot publisher');
    }
    void session.end().catch(ignore);
    await pause(backoffMs(attempt, RETRY, random), signal);
  }
  return null;
}

async function standBy(
  session: Client,
  options: LeadershipOptions,
  signal: AbortSignal,
): Promise<Leadership | null> {
  await session.query(`SELECT set_config('idle_session_timeout', $1, false)`, [`${options.leaseMs}ms`]);
  for (let asked = 0; !signal.aborted; asked++) {
    const lock = await session.query<{ taken: boolean }>(
      `SELECT pg_try_advisory_lock(hashtext('meterhouse.snapshot_publisher'), hashtext($1)) AS taken`,
      [options.topic],
    );
    if (lock.rows[0]?.taken === true) return lead(session, options);
    if (asked === 0) options.logger.info('another instance publishes snapshots; standing by');
    await pause(options.standbyMs * (0.5 + options.random() / 2), signal);
  }
  return null;
}

async function lead(session: Client, options: LeadershipOptions): Promise<Leadership> {
  const lost = new AbortController();
  const lose = (cause: unknown): void => {
    if (!lost.signal.aborted) lost.abort(new LeadershipLostError(cause));
  };
  session.on('error', lose);
  session.on('end', () => lose(new Error('the session ended')));
  const drawn = await session.query<{ epoch: string }>(
    `SELECT nextval('meterhouse.snapshot_epoch') AS epoch`,
  );
  const epoch = Number(drawn.rows[0]?.epoch);
  const keepAlive = renew(session, options.leaseMs, lost.signal, lose);
  return {
    epoch,
    lost: lost.signal,
    prove: async () => {
      // An answer comes from the server process that holds the lock, so it held it when it answered.
      await answered(session, lost.signal).catch(lose);
      lost.signal.throwIfAborted();
    },
    release: async () => {
      lose(new Error('released'));
      await keepAlive;
      await session.end().catch(ignore);
    },
  };
}

/** Says something often enough to keep the lease. No answer within a lease means that it is lost. */
async function renew(
  session: Client,
  leaseMs: number,
  lost: AbortSignal,
  lose: (cause: unknown) => void,
): Promise<void> {
  while (!lost.aborted) {
    const silent = setTimeout(() => lose(new Error(`no answer within ${leaseMs} ms`)), leaseMs);
    await answered(session, lost).catch(lose);
    clearTimeout(silent);
    await pause(leaseMs / 5, lost);
  }
}

/** Waits for the server's answer, but not beyond the loss of the lock. */
async function answered(session: Client, lost: AbortSignal): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([session.query('SELECT 1'), aborted(lost, over.signal)]);
  } finally {
    over.abort();
  }
}
