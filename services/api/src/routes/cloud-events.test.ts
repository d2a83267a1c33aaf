/**
 * CloudEvents 1.0 in, with the official SDK as the client:
 *  - Structured, batched and binary mode of one event make the same usage event.
 *  - An event is the same again by its source and id together, and by nothing less.
 *  - Nothing that a CloudEvent needs is made up, and nothing in its data is left out in silence.
 */
import { CloudEvent, HTTP, httpTransport, emitterFor, Mode, type Message } from 'cloudevents';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUUID } from 'node:crypto';
import { startEventsApi, type EventsApi } from '../events/testing.ts';

let events: EventsApi;
beforeAll(async () => {
  events = await startEventsApi();
});
afterAll(() => events.close());

const TIME = '2026-01-02T03:04:05.678Z';
const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const BATCHED = { 'content-type': 'application/cloudevents-batch+json' };

function usageOf(fields: Partial<CloudEvent<unknown>> = {}): CloudEvent<unknown> {
  return new CloudEvent({
    id: randomUUID(),
    source: '/gateway/eu-1',
    type: 'llm.input_tokens',
    subject: 'acme/dev',
    time: TIME,
    data: { value: '12.5', unit: 'token', attrs: { model: 'large' }, attribution: { team: 'search' } },
    correlationid: 'c-9',
    ...fields,
  });
}

const sendMessage = ({ headers, body }: Message) =>
  events.send(body as string | undefined, { headers: headers as Record<string, string> });
const structured = (fields: object) => events.send(JSON.stringify(fields), { headers: STRUCTURED });

const EXPECTED = {
  tenantId: 'acme/dev',
  metric: 'llm.input_tokens',
  value: '12.5',
  ts: Date.parse(TIME),
  unit: 'token',
  source: '/gateway/eu-1',
  attrs: { model: 'large' },
  correlationId: 'c-9',
  attribution: { team: 'search' },
};

describe('the SDK', () => {
  it('sends in structured, binary and batched mode, and each makes the same usage event', async () => {
    const [one, two, three, four] = [usageOf(), usageOf(), usageOf(), usageOf()];
    const answers = [
      await sendMessage(HTTP.structured(one)),
      await sendMessage(HTTP.binary(two)),
      await events.send(JSON.stringify([three, four]), { headers: BATCHED }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const found = new Map((await events.onTopic()).map(({ event }) => [event.id, event]));
    for (const { id } of [one, two, three, four])
      expect(found.get(`/gateway/eu-1 ${id}`)).toEqual({ ...EXPECTED, id: `/gateway/eu-1 ${id}` });
  });

  it('sends by itself, with nothing of ours but the address and the key', async () => {
    const event = usageOf();
    for (const mode of [Mode.STRUCTURED, Mode.BINARY]) {
      const emit = emitterFor(httpTransport(`${events.api.url}/v1/events`), { mode });
      const answer = (await emit(event, { headers: { authorization: 'Bearer acme' } })) as { body: string };
      expect(JSON.parse(answer.body)).toMatchObject({
        events: [{ outcome: 'acknowledged', id: `/gateway/eu-1 ${event.id}` }],
      });
    }
  });
});

describe('a CloudEvent', () => {
  it('is told from others by source and id together', async () => {
    const { answer } = await events.send(
      JSON.stringify([
        usageOf({ id: '1' }),
        usageOf({ id: '1', source: '/gateway/eu-2' }),
        usageOf({ id: '1', source: '/gateway/eu-1' }),
        usageOf({ id: '2' }),
      ]),
      { headers: BATCHED },
    );
    const ids = answer.events?.map(({ id }) => id);
    expect(ids?.[0]).toBe(ids?.[2]);
    expect(new Set(ids).size).toBe(3);
  });

  it('needs no more than the standard asks for: no data counts as 1 of the key’s tenant', async () => {
    const { answer } = await events.send(null, {
      headers: { 'ce-specversion': '1.0', 'ce-id': 'bare', 'ce-source': '/s', 'ce-type': 'api.calls' },
    });
    const id = answer.events?.[0]?.id;
    expect((await events.onTopic()).find(({ event }) => event.id === id)?.event).toMatchObject({
      id: '/s bare',
      tenantId: 'acme',
      metric: 'api.calls',
      value: '1',
    });
  });

  it('keeps the digits of an amount that is written as a number, and text that headers encode', async () => {
    const { answer } = await events.send('{"value":9007199254740993}', {
      headers: { ...headersOf('%E2%82%AC%20digits'), 'content-type': 'application/json' },
    });
    expect(answer.events).toMatchObject([{ outcome: 'acknowledged', id: '/s € digits' }]);
    expect((await events.onTopic()).find(({ event }) => event.id === '/s € digits')?.event.value).toBe(
      '9007199254740993',
    );
  });

  it('that is not one is refused by the name of what is wrong', async () => {
    const whole = JSON.parse(usageOf().toString()) as Record<string, unknown>;
    const { time: _time, ...timeless } = whole;
    const wrong: [object, string, string][] = [
      [{ ...whole, id: undefined }, 'id', 'invalid_event'],
      [{ ...whole, id: '' }, 'id', 'invalid_event'],
      [{ ...whole, source: undefined }, 'source', 'invalid_event'],
      [{ ...whole, source: 'two words' }, 'source', 'invalid_event'],
      [{ ...whole, type: undefined }, 'type', 'invalid_event'],
      [{ ...whole, type: '1 bad name' }, 'type', 'invalid_event'],
      [{ ...whole, specversion: '0.3' }, 'specversion', 'invalid_event'],
      [{ ...whole, subject: 'other' }, 'subject', 'unknown_tenant'],
      [{ ...whole, time: 'yesterday' }, 'time', 'invalid_event'],
      [{ ...whole, datacontenttype: 'text/xml' }, 'datacontenttype', 'invalid_event'],
      [{ ...whole, data: 'text' }, 'data', 'invalid_event'],
      [{ ...whole, data: { tokens: 5 } }, 'data.tokens', 'invalid_event'],
      [{ ...whole, data: { value: 'many' } }, 'data.value', 'invalid_value'],
      [{ ...whole, data: { attrs: { model: 5 } } }, 'data.attrs.model', 'invalid_event'],
      [{ ...timeless, data: undefined, data_base64: 'e30=' }, 'data_base64', 'invalid_event'],
    ];
    for (const [event, field, code] of wrong) {
      const { status, answer } = await structured(event);
      expect([status, answer.events]).toMatchObject([422, [{ outcome: 'refused', field, code }]]);
    }
  });
});

function headersOf(id: string): Record<string, string> {
  return { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/s', 'ce-type': 'm' };
}
