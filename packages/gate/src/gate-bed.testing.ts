/** A gate over a registry and snapshots that the test writes itself; everything between is the real thing. */
import { PolicySet, SnapshotTable, type DocumentKind } from '@meterhouse/quota';
import { Periods, UTC_CALENDAR } from '@meterhouse/usage/calendar';
import { createGate, type Gate, type GateOptions } from './gate.ts';
import type { RatePort } from './shared-limits.ts';
import { StrictQuotas } from './strict-quotas.ts';

type Body = { readonly id?: string; readonly name?: string } & Readonly<Record<string, unknown>>;

const NOW = Date.UTC(2026, 4, 14, 10, 40);
const PERIODS = new Periods(UTC_CALENDAR);

/** Both clocks of the bed. */
export interface BedClock {
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
}

export interface GateBed {
  readonly gate: Gate;
  /** As in another process: with nothing in common but the snapshots and the limiter. */
  another(): Gate;
  /** Tells the limiter's strict counters what the snapshots say, as a gate does each second. */
  tell(limiter: Pick<RatePort, 'rebase'>): Promise<Readonly<Record<string, number>>>;
  /** A snapshot of this instant. */
  snapshot(used: Readonly<Record<string, string>>): void;
  /** Time passes, and nothing is heard. */
  wait(ms: number): void;
}

export function policyOf(documents: Partial<Record<DocumentKind, readonly Body[]>>): PolicySet {
  const policy = new PolicySet();
  for (const [kind, bodies] of Object.entries(documents))
    for (const body of bodies) policy.stage({ kind, id: body.id ?? body.name ?? '', version: 1n, body });
  policy.complete(1n);
  return policy;
}

/** @param used usage of `tenant/metric` this day and month */
export function gateBed(
  documents: Partial<Record<DocumentKind, readonly Body[]>>,
  used: Readonly<Record<string, string>> = {},
  more: Partial<GateOptions> | ((clock: BedClock) => Partial<GateOptions>) = {},
): GateBed {
  const policy = policyOf(documents);
  const table = new SnapshotTable();
  let elapsedMs = 0;
  let sequence = 0;
  let ids = 0;
  const stamp = () => ({
    epoch: 1,
    sequence: ++sequence,
    asOf: NOW + elapsedMs,
    publishedAt: NOW + elapsedMs,
  });
  const snapshot: GateBed['snapshot'] = (now) => {
    for (const [name, amount] of Object.entries(now)) {
      const [tenantId = '', metric = ''] = name.split('/');
      for (const period of ['day', 'month'] as const) {
        const { start: periodStart, end: periodEnd } = PERIODS.of(period, NOW + elapsedMs);
        const about = { tenantId, metric, period, periodStart, periodEnd };
        table.apply({ kind: 'usage', ...stamp(), ...about, used: amount }, elapsedMs);
      }
    }
    table.apply({ kind: 'heartbeat', ...stamp() }, elapsedMs);
  };
  snapshot(used);
  const clock = { wallMs: () => NOW + elapsedMs, monotonicMs: () => elapsedMs };
  const now = () => ({ wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() });
  const options = {
    snapshots: { usage: table, policy },
    clock: now,
    newId: () => `id-${++ids}`,
    ...(typeof more === 'function' ? more(clock) : more),
  };
  return {
    gate: createGate(options),
    another: () => createGate(options),
    tell: async (limiter) => {
      const strict = new StrictQuotas({ snapshots: options.snapshots, limiter, clock: now });
      await strict.round();
      return strict.status().answers;
    },
    snapshot,
    wait: (ms) => {
      elapsedMs += ms;
    },
  };
}

const limits = [{ metric: 'llm.input_tokens', period: 'month', value: '100' }];

/** Of the demonstration, what the example gateway needs. */
export const REGISTRY = {
  metric: [
    { name: 'llm.input_tokens', unit: 'token', aggregation: 'sum', scale: 0, family: 'token_request' },
    { name: 'gpu.hours', unit: 'hour', aggregation: 'sum', scale: 6, family: 'compute' },
  ],
  pool: [{ id: 'gpu', unit: 'gpu', size: 1 }],
  product: [
    {
      id: 'inference',
      name: 'Inference',
      dimensions: [{ metric: 'llm.input_tokens', unit: 'token' }],
      actions: [{ resourceType: 'model', action: 'call', launchSensitive: false }],
    },
    {
      id: 'compute',
      name: 'GPU jobs',
      dimensions: [{ metric: 'gpu.hours', unit: 'hour' }],
      actions: [{ resourceType: 'job', action: 'launch', launchSensitive: true, pool: 'gpu' }],
    },
  ],
  plan: [
    {
      id: 'scale',
      name: 'Scale',
      limits,
      entitlements: [
        { product: 'inference', resourceType: '*', action: '*' },
        { product: 'compute', resourceType: '*', action: '*' },
      ],
    },
    {
      id: 'small',
      name: 'Small',
      limits,
      entitlements: [{ product: 'inference', resourceType: '*', action: '*' }],
    },
  ],
  tenant: [
    { id: 'acme', name: 'Acme', parent: null, class: null, plan: 'scale', status: 'active' },
    { id: 'lumen', name: 'Lumen', parent: null, class: null, plan: 'small', status: 'active' },
  ],
  access_rule: [{ id: 'members', effect: 'allow', actors: { roles: ['member'] } }],
} satisfies Partial<Record<DocumentKind, readonly Body[]>>;
