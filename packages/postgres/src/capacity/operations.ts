/**
 * Capacity ahead of use: reserve → confirm | release, and leases that are renewed.
 *
 * Each call is one statement. With a pool of connections it is also one transaction, so that no lock
 * waits for this process; inside a transaction of the caller's, the pool's row stays locked to its end.
 * Time is Postgres': there is no argument that says what time it is.
 *
 * All of them throw CapacityRequestError, which names the field, before Postgres is asked; and errors
 * of Postgres, of which isRetryable() says which may be tried again. The same call again is always
 * safe: what it did the first time is what it answers the second.
 *
 * `as`: `service` for any tenant, with the rights of meterhouse_gate; `tenant` for those in the scope of
 * the caller's transaction alone, with the rights of meterhouse_api. Others are unknown to it.
 */
import type { z } from 'zod';
import type { Db } from '../pool.ts';
import {
  ask,
  type AskedAs,
  type ConfirmAnswer,
  type ReleaseAnswer,
  type RenewAnswer,
  type ReserveAnswer,
} from './answers.ts';
import { checked, confirmRequest, releaseRequest, renewRequest, reserveRequest } from './requests.ts';

/** `key` is unique for the tenant, over all pools; `by` is who asks, `reason` why: both are kept. */
export type ReserveRequest = z.input<typeof reserveRequest>;
/** `ttlMs` null: it stays until it is released. Otherwise it has to be renewed before. */
export type ConfirmRequest = z.input<typeof confirmRequest>;
/** `key` names this one renewal, so that its lost answer can be asked for again. */
export type RenewRequest = z.input<typeof renewRequest>;
export type ReleaseRequest = z.input<typeof releaseRequest>;

/**
 * Sets units of a pool aside for `ttlMs`. The same key again gives the same reservation as it stands;
 * a refusal is not remembered, so the same key may be tried until it fits.
 */
export async function reserve(
  db: Db,
  request: ReserveRequest,
  as: AskedAs = 'service',
): Promise<ReserveAnswer> {
  const { pool, tenantId, units, key, ttlMs, by, reason } = checked(reserveRequest, request);
  return (await ask(db, as, 'capacity_reserve', [
    pool,
    tenantId,
    units,
    key,
    ttlMs,
    by,
    reason,
  ])) as ReserveAnswer;
}

/** Says that what was reserved is in use. From then on it ends `ttlMs` after now, or when it is released. */
export async function confirm(
  db: Db,
  request: ConfirmRequest,
  as: AskedAs = 'service',
): Promise<ConfirmAnswer> {
  const { reservationId, tenantId, fencingToken, ttlMs, by, reason } = checked(confirmRequest, request);
  return (await ask(db, as, 'capacity_confirm', [
    reservationId,
    tenantId,
    fencingToken,
    ttlMs,
    by,
    reason,
  ])) as ConfirmAnswer;
}

/**
 * Gives a reservation `ttlMs` from now, and a new fencing token. Of two processes that hold the same
 * one, the first to renew goes on; the other hears `stale_token`.
 */
export async function renew(db: Db, request: RenewRequest, as: AskedAs = 'service'): Promise<RenewAnswer> {
  const { reservationId, tenantId, fencingToken, key, ttlMs, by, reason } = checked(renewRequest, request);
  return (await ask(db, as, 'capacity_renew', [
    reservationId,
    tenantId,
    fencingToken,
    key,
    ttlMs,
    by,
    reason,
  ])) as RenewAnswer;
}

/** Gives the units back. Released twice is released once. */
export async function release(
  db: Db,
  request: ReleaseRequest,
  as: AskedAs = 'service',
): Promise<ReleaseAnswer> {
  const { reservationId, tenantId, fencingToken, by, reason } = checked(releaseRequest, request);
  return (await ask(db, as, 'capacity_release', [
    reservationId,
    tenantId,
    fencingToken,
    by,
    reason,
  ])) as ReleaseAnswer;
}
