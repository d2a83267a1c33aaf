/** Our own API: `POST /v1/events`. Its answer says what became of each event. */
import type { UsageEvent } from '@meterhouse/usage';
import * as z from 'zod';
import { jsonOf, type SinkFormat, type SinkOutcome } from '../sink-format.ts';

const answerShape = z.object({
  events: z.array(
    z.discriminatedUnion('outcome', [
      z.object({ outcome: z.literal('acknowledged') }),
      z.object({ outcome: z.literal('not_acknowledged') }),
      z.object({
        outcome: z.literal('refused'),
        code: z.string(),
        field: z.string(),
        detail: z.string(),
      }),
    ]),
  ),
});

export const meterhouseFormat: SinkFormat = {
  path: '/v1/events',
  contentType: 'application/json',
  gzip: true,
  body: (events) => JSON.stringify(events.map(written)),
  outcomes: ({ text }, events) => {
    const answer = answerShape.safeParse(jsonOf(text));
    if (!answer.success || answer.data.events.length !== events.length) return null;
    return answer.data.events.map((event): SinkOutcome => {
      switch (event.outcome) {
        case 'acknowledged':
          return 'taken';
        case 'not_acknowledged':
          return 'again';
        case 'refused':
          return { field: event.field, detail: `${event.code}: ${event.detail}` };
      }
    });
  },
};

/** What is null is left out: the API fills in what a key stands for only where nothing is given. */
function written(event: UsageEvent): Record<string, unknown> {
  const { unit, correlationId, attribution, ts, ...rest } = event;
  return {
    ...rest,
    ts: new Date(ts).toISOString(),
    ...(unit === null ? {} : { unit }),
    ...(correlationId === null ? {} : { correlationId }),
    ...(attribution === null ? {} : { attribution }),
  };
}
