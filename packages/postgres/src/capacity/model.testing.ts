/**
 * The obvious reference: a list of reservations and a clock. Nothing is counted, settled, locked or
 * indexed; what holds is asked of the list each time. It also finds an order in which the answers that
 * parallel clients got could have been given one after another.
 */

interface ModelReservation {
  readonly id: bigint;
  readonly tenantId: string;
  readonly key: string;
  readonly pool: string;
  readonly units: bigint;
  readonly ttlMs: number;
  readonly token: bigint;
  /** Infinity: until it is released. */
  readonly expiresAt: number;
  readonly confirmedFor: number | null | undefined;
  readonly releasedAt: number | undefined;
  readonly renewal: { from: bigint; key: string; ttlMs: number } | undefined;
}

export interface ModelState {
  readonly sizes: ReadonlyMap<string, bigint>;
  readonly reservations: readonly ModelReservation[];
}

export type Operation =
  | { op: 'reserve'; pool: string; tenantId: string; units: bigint; key: string; ttlMs: number }
  | { op: 'confirm'; tenantId: string; reservationId: bigint; fencingToken: bigint; ttlMs: number | null }
  | {
      op: 'renew';
      tenantId: string;
      reservationId: bigint;
      fencingToken: bigint;
      key: string;
      ttlMs: number;
    }
  | { op: 'release'; tenantId: string; reservationId: bigint; fencingToken: bigint }
  | { op: 'resize'; pool: string; size: bigint };

/** As it was answered; of a grant also the fields that the model cannot know beforehand. */
export interface Observed {
  readonly kind: string;
  readonly reservationId?: bigint;
  readonly fencingToken?: bigint;
}

export interface Happened {
  readonly operation: Operation;
  /** null: no answer came, so it was carried out or not. */
  readonly answer: Observed | null;
  /** Where no answer came: what the same client heard when it asked again. */
  readonly later?: Observed;
}

const TENANTS = ['acme', 'beta'];

export const isLive = (one: ModelReservation, now: number): boolean =>
  one.releasedAt === undefined && one.expiresAt > now;

export function reservedIn(state: ModelState, pool: string, now: number): bigint {
  return state.reservations
    .filter((one) => one.pool === pool && isLive(one, now))
    .reduce((sum, one) => sum + one.units, 0n);
}

/**
 * An order of what happened at once in which each answer is the one that the reference gives.
 * @returns the state after it, or null: there is none
 */
export function explain(state: ModelState, happened: readonly Happened[], now: number): ModelState | null {
  if (happened.every(({ answer }) => answer === null)) return state;
  const steps = happened.map((each) => ({ each, next: step(state, each, now) }));
  // What is answered rightly and changes nothing may as well come first: it stands in nobody's way.
  const harmless = steps.find(({ each, next }) => next === state && each.answer !== null);
  for (const { each, next } of harmless === undefined ? steps : [harmless]) {
    if (next === null) continue;
    const others = happened.filter((other) => other !== each);
    const rest = explain(next, others, now);
    if (rest !== null) return rest;
  }
  return null;
}

/** The state after the operation, or null when the reference would have answered otherwise. */
function step(state: ModelState, happened: Happened, now: number): ModelState | null {
  const { operation } = happened;
  const answer = happened.answer ?? happened.later ?? { kind: 'lost' };
  if (operation.op === 'resize') {
    const sizes = new Map(state.sizes).set(operation.pool, operation.size);
    return same(answer, { kind: 'resized', sizeBefore: state.sizes.get(operation.pool) })
      ? { ...state, sizes }
      : null;
  }
  const [expected, changed] =
    operation.op === 'reserve' ? reserve(state, operation, answer, now) : act(state, operation, answer, now);
  if (happened.answer !== null && !same(answer, expected)) return null;
  if (changed === null) return state;
  return {
    ...state,
    reservations: [...state.reservations.filter((one) => one.id !== changed.id), changed],
  };
}

type Outcome = readonly [expected: object, changed: ModelReservation | null];

function reserve(
  state: ModelState,
  asked: Extract<Operation, { op: 'reserve' }>,
  answer: Observed,
  now: number,
): Outcome {
  const known = state.reservations.find((one) => one.tenantId === asked.tenantId && one.key === asked.key);
  if (known !== undefined) {
    for (const field of ['pool', 'units', 'ttlMs'] as const)
      if (known[field] !== asked[field]) return [{ kind: 'conflict', field }, null];
    return [isLive(known, now) ? grant('reserved', known) : ended('ended', known), null];
  }
  if (!TENANTS.includes(asked.tenantId)) return [{ kind: 'unknown_tenant' }, null];
  const size = state.sizes.get(asked.pool);
  if (size === undefined) return [{ kind: 'unknown_pool' }, null];
  const reserved = reservedIn(state, asked.pool, now);
  if (reserved + asked.units > size) return [refusal(state, asked, size, now), null];
  const { reservationId, fencingToken } = answer;
  // What is given anew must be new.
  const taken = state.reservations.some((one) => one.id === reservationId || one.token === fencingToken);
  if (taken || reservationId === undefined || fencingToken === undefined)
    return [{ kind: 'a grant of something new' }, null];
  const added: ModelReservation = {
    ...asked,
    id: reservationId,
    token: fencingToken,
    expiresAt: now + asked.ttlMs,
    confirmedFor: undefined,
    releasedAt: undefined,
    renewal: undefined,
  };
  return [grant('reserved', added), added];
}

function refusal(
  state: ModelState,
  asked: { pool: string; units: bigint },
  size: bigint,
  now: number,
): object {
  const ends = state.reservations
    .filter((one) => one.pool === asked.pool && isLive(one, now) && Number.isFinite(one.expiresAt))
    .map((one) => one.expiresAt);
  const reservedAt = (at: number): bigint => reservedIn(state, asked.pool, at);
  const freesAt = [...ends].sort((a, b) => a - b).find((end) => reservedAt(end) + asked.units <= size);
  return {
    kind: 'no_capacity',
    size,
    reserved: reservedAt(now),
    freesAt: freesAt ?? null,
    freesUnits: reservedAt(now) - reservedAt(freesAt ?? Number.MAX_SAFE_INTEGER),
  };
}

function act(
  state: ModelState,
  asked: Exclude<Operation, { op: 'reserve' | 'resize' }>,
  answer: Observed,
  now: number,
): Outcome {
  const known = state.reservations.find(
    (one) => one.id === asked.reservationId && one.tenantId === asked.tenantId,
  );
  if (known === undefined) return [{ kind: 'unknown_reservation' }, null];
  const again =
    asked.op === 'renew' && known.renewal?.key === asked.key && known.renewal.from === asked.fencingToken;
  if (known.token !== asked.fencingToken && !again) return [{ kind: 'stale_token' }, null];
  if (asked.op === 'renew' && again && known.renewal.ttlMs !== asked.ttlMs)
    return [{ kind: 'conflict', field: 'ttlMs' }, null];
  if (known.releasedAt !== undefined) return [ended('released', known), null];
  if (!isLive(known, now)) return [ended('expired', known), null];
  switch (asked.op) {
    case 'release': {
      const released = { ...known, releasedAt: now };
      return [ended('released', released), released];
    }
    case 'confirm': {
      if (known.confirmedFor !== undefined)
        return [
          known.confirmedFor === asked.ttlMs
            ? grant('confirmed', known)
            : { kind: 'conflict', field: 'ttlMs' },
          null,
        ];
      const confirmed = {
        ...known,
        confirmedFor: asked.ttlMs,
        expiresAt: asked.ttlMs === null ? Infinity : now + asked.ttlMs,
      };
      return [grant('confirmed', confirmed), confirmed];
    }
    case 'renew': {
      if (again) return [grant('renewed', known), null];
      if (known.expiresAt === Infinity) return [grant('does_not_expire', known), null];
      const token = answer.fencingToken;
      if (token === undefined || token <= known.token) return [{ kind: 'a grant with a higher token' }, null];
      const renewed = {
        ...known,
        token,
        expiresAt: now + asked.ttlMs,
        renewal: { from: asked.fencingToken, key: asked.key, ttlMs: asked.ttlMs },
      };
      return [grant('renewed', renewed), renewed];
    }
  }
}

function grant(kind: string, one: ModelReservation): object {
  return {
    kind,
    reservationId: one.id,
    fencingToken: one.token,
    state: one.confirmedFor === undefined ? 'held' : 'confirmed',
    expiresAt: one.expiresAt === Infinity ? null : one.expiresAt,
  };
}

function ended(kind: 'ended' | 'released' | 'expired', one: ModelReservation): object {
  return {
    kind,
    reservationId: one.id,
    endedAt: one.releasedAt ?? one.expiresAt,
    ...(kind === 'ended' ? { state: one.releasedAt === undefined ? 'expired' : 'released' } : {}),
  };
}

function same(one: object, other: object): boolean {
  const text = (value: object): string =>
    JSON.stringify(
      Object.entries(value)
        .filter(([field]) => field !== 'expiresInMs')
        .sort(([a], [b]) => (a < b ? -1 : 1)),
      (_, field: unknown) => (typeof field === 'bigint' ? `${field}n` : field),
    );
  return text(one) === text(other);
}
