/**
 * Terminology. A *fault* is one blow against one target. A *strike* is a fault at a failpoint: it
 * hits a worker at a chosen await of its flush. A *plan* is a seeded sequence of faults with the
 * pauses between them.
 */
import type { FlushStep } from '@meterhouse/postgres/flush';

type StrikeAction =
  /** The process kills itself: SIGKILL. */
  | 'kill'
  /** The server ends all of its sessions, also the one in the middle of the flush. */
  | 'terminate'
  /** The process stops for longer than its session with the broker lasts, then goes on where it was. */
  | 'freeze'
  /** The flush takes its time; everything else goes on. */
  | 'delay'
  /** COMMIT reaches the server, its answer never comes back. Only before the commit. */
  | 'lose_answer';

export interface Strike {
  readonly step: FlushStep;
  readonly action: StrikeAction;
  /** How long to freeze or delay. */
  readonly durationMs: number;
}

export type Fault =
  | { readonly kind: 'worker_killed'; readonly worker: number }
  | { readonly kind: 'worker_frozen'; readonly worker: number; readonly durationMs: number }
  | { readonly kind: 'rolling_restart' }
  | { readonly kind: 'forced_rebalance'; readonly durationMs: number }
  | ({ readonly kind: 'failpoint'; readonly worker: number } & Strike)
  | { readonly kind: 'postgres_restarted'; readonly durationMs: number }
  | { readonly kind: 'backends_terminated'; readonly share: number }
  | { readonly kind: 'broker_killed'; readonly durationMs: number }
  | { readonly kind: 'broker_frozen'; readonly durationMs: number }
  | { readonly kind: 'clickhouse_frozen'; readonly durationMs: number }
  | { readonly kind: 'clickhouse_killed'; readonly durationMs: number }
  | { readonly kind: 'registry_killed'; readonly worker: number; readonly durationMs: number }
  | { readonly kind: 'duplicate_flood'; readonly events: number };

export type FaultKind = Fault['kind'];
export type FaultOf<Kind extends FaultKind> = Extract<Fault, { kind: Kind }>;

export interface PlannedFault {
  readonly fault: Fault;
  /** Pause since the fault before; 0 strikes at the same time as that one. */
  readonly afterMs: number;
}
