/**
 * A day of usage as producers would send it: busy and quiet hours, clocks that are a little off,
 * repetitions, late events, and a few that no one can count. Pure: the same plan gives the same
 * sendings, ids included, so a day that is sent twice is counted once.
 *
 * Terminology: a **sending** is one event on its way to the broker; what becomes of it is its **fate**.
 */
import { hash } from 'node:crypto';
import { DAY_MS, HOUR_MS } from '@meterhouse/usage';
import { seededRandom, type SeededRandom } from './seeded-random.ts';
import { misfitFates, misfitOf, type MisfitFate } from './misfits.ts';
import { busyness, WORKLOADS, type Usage, type Workload } from './workloads.ts';

export interface DayPlan {
  readonly seed: number;
  /** Sendings, repetitions included. */
  readonly events: number;
  /** End of the 24 hours, epoch ms. */
  readonly through: number;
}

export interface DayEvent {
  /** UUIDv7. */
  readonly id: string;
  readonly tenantId: string;
  readonly metric: string;
  readonly unit: string;
  /** Decimal string. */
  readonly value: string;
  /** Event time, epoch ms. */
  readonly ts: number;
  readonly attrs: Readonly<Record<string, string>>;
}

/** `counted` and `repeated` say it by name; the others are the reasons to expect in quarantine. */
type Fate = 'counted' | 'repeated' | MisfitFate;

export interface Sending {
  readonly event: DayEvent;
  readonly fate: Fate;
  /** When in the day it is sent, epoch ms; never goes back. */
  readonly sentAt: number;
}

const SLICE_MS = 10 * 60_000;
const SLICES = DAY_MS / SLICE_MS;
/** Shares of the sendings. */
const REPEATED = 0.02;
const LATE = 0.012;
const OUT_OF_ORDER = 0.04;
/** Leaves three days of the accepted window for a day that is sent again. */
const LATEST_MS = 30 * DAY_MS;
/** Events that a repetition or a conflicting id can refer to. */
const REMEMBERED = 2_000;

export function* usageDay(plan: DayPlan): Generator<Sending> {
  const from = plan.through - DAY_MS;
  const misfits = misfitFates(plan.events);
  const remembered: DayEvent[] = [];
  let index = 0;
  for (const [slice, size] of sliceSizes(plan).entries()) {
    const random = seededRandom(`meterhouse-day/${plan.seed}/${plan.through}/${plan.events}/${slice}`);
    const start = from + slice * SLICE_MS;
    const times = sendingTimes(random, start, size);
    for (const { sentAt, tenantId, usage } of works(random, times)) {
      const sending = sendingAt(
        { plan, index, sentAt, tenantId, usage, random, remembered },
        misfits.get(index),
      );
      if (sending.fate === 'counted') remembered[index % REMEMBERED] = sending.event;
      yield sending;
      index += 1;
    }
  }
}

interface Position {
  readonly plan: DayPlan;
  readonly index: number;
  readonly sentAt: number;
  readonly tenantId: string;
  readonly usage: Usage;
  readonly random: SeededRandom;
  readonly remembered: readonly (DayEvent | undefined)[];
}

function sendingAt(at: Position, misfit: MisfitFate | undefined): Sending {
  const { sentAt, random } = at;
  const earlier = at.remembered[random.between(0, Math.max(0, at.remembered.length - 1))];
  const kind = random.next();
  const ts = eventTime(random, sentAt);
  const id = eventId(at.plan, at.index, ts);
  const event: DayEvent = { id, tenantId: at.tenantId, ...at.usage, ts };
  if (misfit !== undefined) {
    const bad = misfitOf(misfit, event, earlier, { index: at.index, through: at.plan.through, random });
    // Nothing to contradict yet: then it is as good as any other.
    if (bad !== null) return { event: bad, fate: misfit, sentAt };
  } else if (kind < REPEATED && earlier !== undefined) {
    return { event: earlier, fate: 'repeated', sentAt };
  }
  return { event, fate: 'counted', sentAt };
}

/** When it happened: mostly seconds before it was sent, sometimes minutes, now and then days. */
function eventTime(random: SeededRandom, sentAt: number): number {
  const kind = random.next();
  const far = random.next();
  const near = random.exponential(1);
  // Spread evenly over the orders of magnitude between an hour and 30 days.
  if (kind < LATE) return Math.floor(sentAt - HOUR_MS * (LATEST_MS / HOUR_MS) ** far);
  if (kind < LATE + OUT_OF_ORDER) return Math.floor(sentAt - Math.min(near * 4 * 60_000, 30 * 60_000));
  return Math.floor(sentAt - Math.min(near * 1_500, 30_000));
}

/** A UUIDv7 that the place in the day decides. */
function eventId(plan: DayPlan, index: number, ts: number): string {
  const digest = hash(
    'sha256',
    `meterhouse-day/${plan.seed}/${plan.through}/${plan.events}/id/${index}`,
    'hex',
  );
  const time = Math.max(0, ts).toString(16).padStart(12, '0');
  const variant = (8 + (Number.parseInt(digest.slice(3, 4), 16) & 3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${digest.slice(0, 3)}-${variant}${digest.slice(4, 7)}-${digest.slice(7, 19)}`;
}

/** Sendings by slice: as busy as the workloads are then, `plan.events` in all. */
function sliceSizes(plan: DayPlan): number[] {
  const from = plan.through - DAY_MS;
  const weights = Array.from({ length: SLICES }, (_, slice) => {
    const middle = from + (slice + 0.5) * SLICE_MS;
    return WORKLOADS.reduce((sum, workload) => sum + workload.weight * busyness(workload, middle), 0);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let weightSoFar = 0;
  let given = 0;
  return weights.map((weight, slice) => {
    weightSoFar += weight;
    // Rounding is carried on, so that nothing is left over.
    const upTo = slice === SLICES - 1 ? plan.events : Math.round((plan.events * weightSoFar) / total);
    const size = upTo - given;
    given = upTo;
    return size;
  });
}

function sendingTimes(random: SeededRandom, start: number, size: number): number[] {
  return Array.from({ length: size }, () => start + Math.floor(random.next() * SLICE_MS)).sort(
    (a, b) => a - b,
  );
}

/** Fills the sending times with pieces of work; the parts of one piece follow each other. */
function* works(
  random: SeededRandom,
  times: readonly number[],
): Generator<{ sentAt: number; tenantId: string; usage: Usage }> {
  for (let taken = 0; taken < times.length;) {
    const workload = workloadAt(random, times[taken] ?? 0);
    for (const usage of workload.work(random)) {
      const sentAt = times[taken];
      if (sentAt === undefined) return;
      yield { sentAt, tenantId: workload.tenantId, usage };
      taken += 1;
    }
  }
}

function workloadAt(random: SeededRandom, ts: number): Workload {
  const shares = WORKLOADS.map((workload) => workload.weight * busyness(workload, ts));
  let left = random.next() * shares.reduce((sum, share) => sum + share, 0);
  for (const [index, share] of shares.entries()) {
    const workload = WORKLOADS[index];
    left -= share;
    if (left < 0 && workload !== undefined) return workload;
  }
  return random.pick(WORKLOADS); // the float rest of a sum
}
