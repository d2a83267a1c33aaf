/** For tests of everything that takes usage events. */
import { randomBytes } from 'node:crypto';
import type { UsageEvent } from './event.ts';

let counter = 0;

/** An event now, with an id of its own. */
export function anEvent(
  about: Pick<UsageEvent, 'tenantId' | 'metric'>,
  fields: Partial<UsageEvent> = {},
): UsageEvent {
  return {
    id: `event-${++counter}-${randomBytes(4).toString('hex')}`,
    value: '1',
    ts: Date.now(),
    unit: null,
    source: 'test',
    attrs: {},
    correlationId: null,
    attribution: null,
    ...about,
    ...fields,
  };
}
