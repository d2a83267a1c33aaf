/**
 * Guarantee: what goes into quarantine is in the log with its reason and correlation id, told together
 * where much comes at once, and never left untold.
 */
import type { FlushResult } from '@meterhouse/postgres/flush';
import { anEvent } from '@meterhouse/usage/testing';
import { pino } from 'pino';
import { expect, test } from 'vitest';

import { FlushLog } from './flush-log.ts';

type Committed = Extract<FlushResult, { kind: 'committed' }>;
type Refused = Committed['settled']['quarantined'][number];

const COUNTS = { nextOffset: 9n, counted: 0, duplicates: 0, quarantined: 2, buckets: 0 };

function refused(offset: bigint, event: Refused['event']): Refused {
  const refusal = {
    reason: event === null ? 'undecodable' : 'unknown_tenant',
    field: null,
    detail: 'd',
  } as const;
  return { origin: { offset, receivedAt: 0, payload: null }, refusal, event, content: null };
}

function flushed(...quarantined: Refused[]): Committed {
  return { kind: 'committed', ...COUNTS, settled: { counted: [], duplicates: [], quarantined } };
}

test('what was refused within a second is one line, with the first of it and all reasons', () => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = new FlushLog(pino({ level: 'debug' }, { write }));
  const event = anEvent({ tenantId: 'nobody', metric: 'm' }, { id: 'e-1', correlationId: 'c-1' });
  log.flushed(3, flushed(refused(7n, event), refused(8n, null)));
  log.flushed(3, flushed(refused(9n, null)));
  log.flushed(3, flushed());
  log.tell();
  log.tell();
  const [first, ...others] = lines.filter(({ msg }) => msg === 'events were put into quarantine');
  expect(others).toEqual([]);
  expect(first).toMatchObject({
    reasons: { unknown_tenant: 1, undecodable: 2 },
    first: { partition: 3, offset: '7', reason: 'unknown_tenant', eventId: 'e-1', correlationId: 'c-1' },
  });
  expect(lines[0]).toMatchObject({ msg: 'flushed', partition: 3, nextOffset: 9, correlationIds: ['c-1'] });
});
