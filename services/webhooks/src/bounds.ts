/** How long things take and how much there may be of them. */
import type { CircuitBounds, LeaseBounds } from '@meterhouse/postgres/webhooks';
import { MAX_WAITING, type SendBounds } from '@meterhouse/webhooks';

export interface WebhookBounds {
  readonly send: SendBounds;
  /** Deliveries on their way at a time, of this process. */
  readonly maxInFlight: number;
  readonly maxPerSubscription: LeaseBounds['maxPerSubscription'];
  /** Beyond the time of an attempt, until its worker is taken for dead. */
  readonly leaseSlackMs: number;
  /** Before each further attempt, at most; one attempt more than there are of these. */
  readonly retryCeilingsMs: readonly number[];
  readonly circuit: CircuitBounds;
  /** Events of one subscription that are not delivered, at most. */
  readonly maxWaiting: number;
  /** How often the outbox is asked while nothing is in it. */
  readonly pollMs: number;
  /** How often usage is held against thresholds. */
  readonly watchMs: number;
  /** How often ended periods are asked for late events. */
  readonly lateMs: number;
  /** How long a delivery is kept; 70 days at least. */
  readonly keepMs: number;
  readonly forgetEveryMs: number;
  readonly forgetRows: number;
  /** Back-off while Postgres is away. */
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;

export const BOUNDS: WebhookBounds = {
  send: { timeoutMs: 8 * SECOND_MS, maxAnswerBytes: 16 * 1024 },
  maxInFlight: 64,
  maxPerSubscription: 4,
  leaseSlackMs: 10 * SECOND_MS,
  retryCeilingsMs: [30, 120, 600, 3_600, 14_400, 36_000, 36_000].map((seconds) => seconds * SECOND_MS),
  circuit: { openAfterFailures: 5, openMs: 60 * SECOND_MS, disableAfterMs: 3 * DAY_MS },
  maxWaiting: MAX_WAITING,
  pollMs: 500,
  watchMs: 1_000,
  lateMs: 30 * SECOND_MS,
  keepMs: 90 * DAY_MS,
  forgetEveryMs: 60 * SECOND_MS,
  forgetRows: 5_000,
  retry: { baseMs: 200, maxMs: 5_000 },
};
