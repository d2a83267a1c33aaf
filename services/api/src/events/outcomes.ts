/** What became of each event of a request, and what the request as a whole is answered with. */
import { z } from 'zod';
import { problemSchema } from '../http/problem.ts';
import { MAX_EVENTS } from './bounds.ts';
import { REFUSAL_CODES } from './draft.ts';

const index = z.int().min(0).describe('Position in the request, from 0; empty lines are not counted.');
const detail = z.string().describe('Safe to show to a person.');

const acknowledged = z.object({
  index,
  outcome: z.literal('acknowledged').describe('On all in-sync replicas of the broker.'),
  id: z.string(),
});

const refused = z.object({
  index,
  outcome: z.literal('refused').describe('Not an event that can be counted: correct it.'),
  id: z.string().nullable().describe('Null: the event gave none that can be read.'),
  code: z.enum(REFUSAL_CODES),
  field: z.string().describe('What is wrong, by the name that the sender used.'),
  detail,
});

const notAcknowledged = z.object({
  index,
  outcome: z
    .literal('not_acknowledged')
    .describe('Counted or not, nobody knows. Send it again with this id and this ts: it counts once.'),
  id: z.string().nullable(),
  ts: z.iso.datetime().nullable(),
  code: z
    .enum(['broker_unavailable', 'overloaded'])
    .describe('`overloaded`: more waits for the broker than may; it was not tried.'),
  detail,
});

const eventOutcome = z
  .discriminatedUnion('outcome', [acknowledged, refused, notAcknowledged])
  .meta({ id: 'EventOutcome' });
export type EventOutcome = z.infer<typeof eventOutcome>;

const members = {
  acknowledged: z.int().min(0),
  refused: z.int().min(0),
  notAcknowledged: z.int().min(0),
  events: z.array(eventOutcome).max(MAX_EVENTS).describe('One for each event, in the order of the request.'),
};

export const eventsAnswer = z.object(members).meta({ id: 'EventsAnswer' });
export type EventsAnswer = z.infer<typeof eventsAnswer>;

/** A problem that still says what became of each event; without them, nothing was taken. */
export const eventsProblem = problemSchema
  .extend(z.object(members).partial().shape)
  .meta({ id: 'EventsProblem' });

export function answerOf(events: EventOutcome[]): EventsAnswer {
  const counts = { acknowledged: 0, refused: 0, not_acknowledged: 0 };
  for (const { outcome } of events) counts[outcome] += 1;
  return {
    acknowledged: counts.acknowledged,
    refused: counts.refused,
    notAcknowledged: counts.not_acknowledged,
    events,
  };
}

/**
 * 200: all acknowledged. 207: some, look at each. 422: all refused, and sent again they will be again.
 * 503: none acknowledged, and the broker is why for at least one.
 */
export function statusOf(answer: EventsAnswer): 200 | 207 | 422 | 503 {
  if (answer.acknowledged === answer.events.length) return 200;
  if (answer.acknowledged > 0) return 207;
  return answer.notAcknowledged > 0 ? 503 : 422;
}
