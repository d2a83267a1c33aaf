/**
 * Guarantees of schemas/json/usage-event.schema.json:
 *  - It is what the code checks: generated from the same shape (`npx vitest -u` writes it anew).
 *  - Whatever satisfies the shape as JSON has the shape that `record` takes.
 */
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { eventInputShape, eventJsonShape } from './event-input.ts';

describe('the JSON Schema of the usage event', () => {
  it('says what the code checks', async () => {
    const schema = z.toJSONSchema(eventJsonShape, { target: 'draft-2020-12', io: 'input' });
    const text = await format(JSON.stringify(schema), { parser: 'json', printWidth: 110 });
    await expect(text).toMatchFileSnapshot('../../../schemas/json/usage-event.schema.json');
  });

  it('has the fields that the producer takes', () => {
    expect(Object.keys(eventJsonShape.shape).sort()).toEqual(Object.keys(eventInputShape.shape).sort());
  });

  it.each([
    [{ tenantId: 'acme', metric: 'm' }],
    [
      {
        tenantId: 'acme',
        metric: 'm',
        value: 1.5,
        ts: 0,
        unit: null,
        attrs: {},
        attribution: null,
        correlationId: null,
      },
    ],
    [
      {
        id: 'x',
        tenantId: 'a',
        metric: 'm',
        value: '1',
        ts: '2026-11-22T12:00:00+01:00',
        attrs: { a: '' },
        source: '',
      },
    ],
  ])('lets %j pass, and so does the producer', (event) => {
    expect(eventJsonShape.safeParse(event).success).toBe(true);
    expect(eventInputShape.safeParse(event).success).toBe(true);
  });
});
