/** A session of Postgres that somebody left open in the middle of a transaction, with a lock that others need. */
import type { PoolClient } from 'pg';
import type { TrialBed } from '../trial/bed.ts';
import { handedOn } from '../trial/fault.ts';

export interface ForgottenSession {
  readonly begin: (bed: TrialBed) => Promise<void>;
  /** As an operator would: whoever is idle in a transaction is terminated. */
  readonly end: (bed: TrialBed) => Promise<void>;
}

/** @param lock what it did last */
export function forgottenSession(lock: string): ForgottenSession {
  const holder = handedOn<PoolClient>('the session that holds the lock');
  return {
    begin: async ({ postgres }) => {
      const session = await postgres.connect();
      // Ended by mending.
      session.on('error', () => undefined);
      holder.set(session);
      // It is meant to be forgotten: nothing may end it before the operator does.
      await session.query('SET idle_in_transaction_session_timeout = 0');
      await session.query('BEGIN');
      await session.query(lock);
    },
    end: async ({ postgres }) => {
      await postgres.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'trial' AND state = 'idle in transaction'`,
      );
      holder.get().release(true);
    },
  };
}
