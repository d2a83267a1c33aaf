/** A tree of tenants with plans and snapshots: organizations of departments of projects. */
import {
  PendingUsage,
  Policies,
  PolicySet,
  SnapshotTable,
  type DecisionRequest,
  type Facts,
  type PolicyVerdict,
} from '@meterhouse/quota';
import { Periods, UTC_CALENDAR } from '@meterhouse/usage/calendar';

const METRICS = ['m0', 'm1', 'm2', 'm3', 'm4'];
const PERIODS = ['day', 'month'] as const;
const PROJECTS_A_DEPARTMENT = 8;
const DEPARTMENTS_AN_ORGANIZATION = 4;
const NOW = Date.UTC(2026, 4, 14, 10, 40);
const UTC = new Periods(UTC_CALENDAR);
const ACTOR = { type: 'user', id: 'ann', roles: ['member'], scopes: [] };

const VERDICT: PolicyVerdict = {
  outcome: 'allow',
  engine: 'built_in',
  version: '1',
  rules: ['members'],
  problem: null,
};

export interface BenchWorld {
  readonly facts: Facts;
  /** One for each metric of each project, in an order that jumps about. */
  readonly requests: readonly DecisionRequest[];
  readonly bytesPerKey: number;
}

export function benchWorld(tenants: number, collectGarbage: () => void): BenchWorld {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const policy = new PolicySet();
  const stage = (kind: string, id: string, body: unknown): void => {
    policy.stage({ kind, id, version: 1n, body });
  };
  for (const name of METRICS)
    stage('metric', name, { name, unit: 'unit', aggregation: 'sum', scale: 0, family: 'compute' });
  stage('product', 'ai', {
    id: 'ai',
    name: 'AI',
    dimensions: METRICS.map((metric) => ({ metric, unit: 'unit' })),
    actions: [{ resourceType: 'model', action: 'call', launchSensitive: true }],
  });
  stage('plan', 'pro', {
    id: 'pro',
    name: 'Pro',
    limits: METRICS.flatMap((metric) =>
      PERIODS.map((period) => ({ metric, period, value: '1000000000', warnAt: [80] })),
    ),
    entitlements: [{ product: 'ai', resourceType: '*', action: '*' }],
  });
  const projects: string[] = [];
  const ids: string[] = [];
  const add = (id: string, parent: string | null, plan: string | null): void => {
    if (ids.length >= tenants) return;
    ids.push(id);
    stage('tenant', id, { id, name: id, parent, class: null, plan, status: 'active' });
  };
  for (let o = 0; ids.length < tenants; o++) {
    add(`org-${o}`, null, 'pro');
    for (let d = 0; d < DEPARTMENTS_AN_ORGANIZATION; d++) {
      add(`org-${o}-${d}`, `org-${o}`, d === 0 ? 'pro' : null);
      for (let p = 0; p < PROJECTS_A_DEPARTMENT; p++) {
        if (ids.length >= tenants) break;
        add(`org-${o}-${d}-${p}`, `org-${o}-${d}`, null);
        projects.push(`org-${o}-${d}-${p}`);
      }
    }
  }
  policy.complete(1n);
  const table = new SnapshotTable({ maxKeys: ids.length * METRICS.length * PERIODS.length });
  let sequence = 0;
  const stamp = () => ({ epoch: 1, sequence: ++sequence, asOf: NOW - 500, publishedAt: NOW - 400 });
  for (const tenantId of ids)
    for (const metric of METRICS)
      for (const period of PERIODS) {
        const { start: periodStart, end: periodEnd } = UTC.of(period, NOW);
        const about = { tenantId, metric, period, periodStart, periodEnd };
        table.apply({ kind: 'usage', ...stamp(), ...about, used: `${sequence % 1_000_000}` }, 0);
      }
  table.apply({ kind: 'heartbeat', ...stamp() }, 0);
  const facts: Facts = {
    policies: new Policies(policy),
    verdict: VERDICT,
    usage: table,
    pending: new PendingUsage(),
    strict: { outcome: 'not_needed' },
    rate: { outcome: 'none' },
    places: { outcome: 'none' },
    capacity: { outcome: 'not_needed' },
    now: { wallMs: NOW, monotonicMs: 600 },
  };
  collectGarbage();
  const bytesPerKey = (process.memoryUsage().heapUsed - before) / (ids.length * METRICS.length);
  const requests = projects.flatMap((tenantId) => METRICS.map((metric) => requestOf(tenantId, metric)));
  shuffle(requests);
  return { facts, requests, bytesPerKey };
}

function requestOf(tenantId: string, metric: string): DecisionRequest {
  return {
    correlationId: 'c',
    actor: ACTOR,
    tenantId,
    product: 'ai',
    resourceType: 'model',
    action: 'call',
    usage: { metric, unit: 'unit', delta: 1_000_000_000n },
    slots: 0,
  };
}

/** With the same steps each time, so that rounds meet the same order. */
function shuffle(list: DecisionRequest[]): void {
  let state = 1;
  for (let i = list.length - 1; i > 0; i--) {
    state = (state * 48_271) % 2_147_483_647;
    const j = state % (i + 1);
    const [one, other] = [list[i], list[j]];
    if (one !== undefined && other !== undefined) [list[i], list[j]] = [other, one];
  }
}
