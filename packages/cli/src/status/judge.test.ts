/**
 * Guarantees, each from what was found, without a store:
 * - the verdict is that of the worst part, and notes do not spoil it
 * - whatever waits for a person says what to do next, and every runbook that may be named is there
 * - what is late is measured where it is late: the mirror against counting, not against the clock
 * - what has waited in quarantine for long is a note; what has just come is not
 */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ServiceHealth, StatusFacts, SystemFacts } from './facts.ts';
import { judge } from './judge.ts';
import { runbook, RUNBOOKS } from './line.ts';

const NOW = Date.UTC(2026, 10, 22, 17);
const before = (seconds: number): Date => new Date(NOW - seconds * 1_000);

const HEALTHY: SystemFacts = {
  progress: [0, 1].map((partition) => ({
    source: 'usage_events',
    partition,
    nextOffset: 10n,
    processedThrough: before(1),
    haltedReason: null,
  })),
  tailers: [
    { name: 'clickhouse_mirror', completeThrough: before(2), resyncRequested: false, rowsBehind: 0n },
    { name: 'quota-snapshot', completeThrough: before(2), resyncRequested: false, rowsBehind: 0n },
  ],
  quarantine: [],
  decisions: [],
  webhooks: {
    subscriptions: 0,
    switchedOff: 0,
    full: 0,
    pending: 0,
    dead: 0,
    overdueSince: null,
    lastDead: null,
  },
  audit: { seq: 0n, hash: '0'.repeat(64) },
  sessions: new Map([
    ['meterhouse-aggregator', 3],
    ['meterhouse-quota-snapshot-lock', 1],
  ]),
  leaders: { mirror: true, snapshots: true },
};
const SCHEMA = { latest: '0012_x.sql', pending: [], unknown: [] };

function factsOf(system: Partial<SystemFacts> = {}, facts: Partial<StatusFacts> = {}): StatusFacts {
  const ranges = new Map([0, 1].map((partition) => [partition, { low: 0n, high: 10n }]));
  return {
    at: NOW,
    topic: 'usage_events',
    kafka: { answers: true, tookMs: 5, value: { brokers: 1, ranges } },
    registry: { answers: true, tookMs: 5, value: { hasEventSchema: true } },
    postgres: {
      answers: true,
      tookMs: 5,
      value: { schema: SCHEMA, system: { ...HEALTHY, ...system } },
    },
    clickhouse: { answers: true, tookMs: 5, value: { version: '25.8', schema: SCHEMA } },
    services: [],
    ...facts,
  };
}

const said = (facts: StatusFacts, part: string) => {
  const { verdict, lines } = judge(facts);
  return { verdict, lines: lines.filter((line) => line.part === part) };
};

test('healthy, with services that are not seen as notes', () => {
  const { verdict, lines } = judge(factsOf());
  expect(verdict).toBe('healthy');
  expect(lines.filter(({ state }) => state === 'note').map(({ part }) => part)).toEqual([
    'decision-log',
    'webhooks',
    'api',
  ]);
});

test('a halted partition needs a person, and says which runbook', () => {
  const progress = HEALTHY.progress.map((one, index) =>
    index === 1 ? { ...one, haltedReason: 'the log starts at 12', processedThrough: before(900) } : one,
  );
  const { verdict, lines } = said(factsOf({ progress }), 'counting');
  expect(verdict).toBe('needs a person');
  expect(lines[0]).toMatchObject({
    state: 'person',
    says: 'partition 1 is halted: the log starts at 12',
    next: 'docs/runbooks/partition-halted.md',
  });
  // The mirror has all that was counted: it is not late, though it stands as long.
  const tailers = HEALTHY.tailers.map((one) => ({ ...one, completeThrough: before(902) }));
  expect(said(factsOf({ progress, tailers }), 'mirror').lines[0]?.state).toBe('ok');
});

test('the worst decides, whatever stands beside it', () => {
  const tailers = HEALTHY.tailers.map((one) => ({ ...one, resyncRequested: true }));
  expect(judge(factsOf({ tailers })).verdict).toBe('behind');
  const away = { answers: false, reason: 'ECONNREFUSED' } as const;
  expect(judge(factsOf({ tailers }, { clickhouse: away })).verdict).toBe('needs a person');
});

test('a late partition is behind while somebody counts, and needs a person when nobody does', () => {
  const progress = HEALTHY.progress.map((one) => ({
    ...one,
    nextOffset: 4n,
    processedThrough: before(90),
  }));
  const late = said(factsOf({ progress }), 'counting');
  expect([late.verdict, late.lines[0]?.says]).toEqual([
    'behind',
    '2 partitions (0, 1) are behind by 12 events, 90 s',
  ]);
  expect(said(factsOf({ progress, sessions: new Map() }), 'counting')).toMatchObject({
    verdict: 'needs a person',
    lines: [{ state: 'person' }, { state: 'note' }],
  });
});

test('a log that starts above what is to be counted next is told before it halts', () => {
  const ranges = new Map([0, 1].map((partition) => [partition, { low: 11n, high: 20n }]));
  const { verdict, lines } = said(
    factsOf({}, { kafka: { answers: true, tookMs: 1, value: { brokers: 1, ranges } } }),
    'counting',
  );
  expect([verdict, lines[0]?.says]).toEqual([
    'needs a person',
    'partition 0: Kafka’s log starts at 11, and 10 is to be counted next',
  ]);
});

test('more partitions than fit are summed up', () => {
  const progress = Array.from({ length: 40 }, (_, partition) => ({
    source: 'usage_events',
    partition,
    nextOffset: 0n,
    processedThrough: before(900),
    haltedReason: 'gone',
  }));
  const { lines } = said(factsOf({ progress }), 'counting');
  expect(lines).toHaveLength(7);
  expect(lines[5]?.says).toBe('and 35 more partitions: see "meterhouse lag"');
});

test('mirror and snapshots: behind counting, nobody there, starting again', () => {
  const tailers = HEALTHY.tailers.map((one) => ({ ...one, completeThrough: before(200) }));
  expect(said(factsOf({ tailers }), 'mirror')).toMatchObject({
    verdict: 'behind',
    lines: [{ state: 'behind', next: 'docs/runbooks/clickhouse-mirror-behind.md' }],
  });
  expect(said(factsOf({ leaders: { mirror: true, snapshots: false } }), 'snapshots').lines[0]).toMatchObject({
    state: 'behind',
    next: 'docs/runbooks/snapshots-behind.md',
  });
  const resyncing = HEALTHY.tailers.map((one) => ({ ...one, resyncRequested: true }));
  expect(said(factsOf({ tailers: resyncing }), 'mirror').lines[0]?.state).toBe('behind');
});

test('quarantine that grows needs a person; what has waited for long is a note', () => {
  const open = (newest: Date) => [{ reason: 'wrong_unit', events: 3, oldest: before(90_000), newest }];
  expect(said(factsOf({ quarantine: open(before(60)) }), 'quarantine')).toMatchObject({
    verdict: 'needs a person',
    lines: [{ state: 'person', next: 'docs/runbooks/quarantine-growing.md' }],
  });
  const old = said(factsOf({ quarantine: open(before(3_600)) }), 'quarantine');
  expect(old).toMatchObject({ verdict: 'healthy', lines: [{ state: 'note' }] });
  expect(old.lines[0]?.says).toContain('wrong_unit 3');
});

test('decisions: behind, lost, and nobody looking', () => {
  const partition = {
    topic: 'quota_decisions',
    partition: 0,
    behind: 4n,
    lost: false,
    completeThrough: before(300),
    lookedAt: before(2),
  };
  expect(said(factsOf({ decisions: [partition] }), 'decisions').lines[0]?.state).toBe('behind');
  expect(said(factsOf({ decisions: [{ ...partition, lost: true }] }), 'decisions').lines[0]?.state).toBe(
    'person',
  );
  expect(
    said(factsOf({ decisions: [{ ...partition, lookedAt: before(300) }] }), 'decisions').lines[0]?.state,
  ).toBe('person');
});

test('webhooks: no room, overdue, given up just now, given up long ago', () => {
  const stand = { ...HEALTHY.webhooks, subscriptions: 2 };
  const of = (fields: Partial<typeof stand>) =>
    said(factsOf({ webhooks: { ...stand, ...fields } }), 'webhooks out').lines.map(({ state }) => state);
  expect(of({})).toEqual(['ok']);
  expect(of({ full: 1 })).toEqual(['person', 'ok']);
  expect(of({ pending: 1, overdueSince: before(300) })).toEqual(['behind']);
  expect(of({ dead: 1, lastDead: before(60) })).toEqual(['person']);
  expect(of({ dead: 1, lastDead: before(90_000) })).toEqual(['note']);
});

test('a part that is away is one line, and the rest is judged', () => {
  const away = { answers: false, reason: 'ECONNREFUSED' } as const;
  const { verdict, lines, lag } = judge(factsOf({}, { postgres: away, kafka: away }));
  expect([verdict, lag]).toEqual(['needs a person', null]);
  expect(lines.map(({ part, state }) => `${part} ${state}`)).toEqual([
    'Kafka person',
    'registry ok',
    'Postgres person',
    'ClickHouse ok',
  ]);
});

test('an older schema says the command, a newer one does not offer it', () => {
  const withSchema = (schema: { pending: string[]; unknown: string[] }) =>
    said(
      factsOf(
        {},
        {
          postgres: {
            answers: true,
            tookMs: 1,
            value: { schema: { latest: '0001_usage.sql', ...schema }, system: null },
          },
        },
      ),
      'Postgres',
    ).lines[0]?.next;
  expect(withSchema({ pending: ['0002_roles.sql'], unknown: [] })).toBe('meterhouse migrate');
  expect(withSchema({ pending: [], unknown: ['9999_x.sql'] })).toBe('run the newer release');
});

test('services: gone, stuck, not ready, ready', () => {
  const health: ServiceHealth = { stuck: [], waiting: [], snapshotAgeSeconds: null };
  const of = (fields: Partial<StatusFacts['services'][number]>) =>
    said(
      factsOf(
        {},
        {
          services: [
            {
              name: 'aggregator',
              url: 'http://127.0.0.1:1',
              running: true,
              health: { answers: true, tookMs: 1, value: health },
              ...fields,
            },
          ],
        },
      ),
      'aggregator',
    ).lines[0];
  expect(of({})?.state).toBe('ok');
  expect(of({ running: false, health: { answers: false, reason: 'ECONNREFUSED' } })?.says).toBe(
    'its process is gone',
  );
  const answering = (value: Partial<ServiceHealth>) =>
    of({ health: { answers: true, tookMs: 1, value: { ...health, ...value } } });
  expect(answering({ stuck: ['partition 1: no progress'] })?.state).toBe('person');
  expect(answering({ waiting: [{ reason: 'Kafka: away', required: true }] })?.state).toBe('behind');
  expect(answering({ waiting: [{ reason: 'mirror: away', required: false }] })?.state).toBe('note');
});

test.each(RUNBOOKS)('%s is there', (name) => {
  expect(existsSync(new URL(`../../../../${runbook(name)}`, import.meta.url))).toBe(true);
});
