/**
 * Guarantees, against the real API:
 * - every operation of the OpenAPI document has an example of a request and of an answer
 * - each example, sent as it stands there, is answered with the status that it documents, and with a body
 *   that its schema allows; so are the documented answers and bodies
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { servedDocument } from './document.ts';
import { exchangesOf, send } from './exchange.ts';
import { recordAnswers } from './record-answers.ts';
import { exampleWorld, type World } from './world.ts';

// Answers are recorded by a run of its own; the document has them from the next one on.
if (process.env['EXAMPLES'] === 'record') await recordAnswers(await servedDocument());

const document = await servedDocument();
const exchanges = exchangesOf(document);
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'api', components: document.components });

/** What a schema of the document has against a value; null: nothing. */
function objections(schema: object, value: unknown): unknown {
  const absolute = JSON.parse(
    JSON.stringify(schema).replaceAll('"#/components/', '"api#/components/'),
  ) as object;
  return ajv.validate(absolute, value) ? null : ajv.errors;
}

let world: World;
beforeAll(async () => {
  world = await exampleWorld();
});
afterAll(() => world.close());

it('every operation has an example of its request and of its answer', () => {
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  expect(operations.length).toBeGreaterThan(60);
  for (const { operationId, responses } of operations) {
    const own = exchanges.filter((each) => each.operationId === operationId);
    // An answer without a body has no example; what is asked for the document is the document.
    const bare = Object.keys(responses).includes('204') || operationId === 'getOpenApi';
    expect([operationId, own.length > 0 || bare]).toEqual([operationId, true]);
    for (const { name, answer } of own)
      expect([operationId, name, answer !== undefined || bare]).toEqual([operationId, name, true]);
  }
});

it('every body that can be sent has an example', () => {
  for (const methods of Object.values(document.paths))
    for (const { operationId, requestBody } of Object.values(methods))
      for (const [type, { examples = {} }] of Object.entries(requestBody?.content ?? {}))
        expect([operationId, type, Object.keys(examples).length > 0]).toEqual([operationId, type, true]);
});

describe('as it stands in the document', () => {
  it.each(exchanges.map((exchange) => [exchange.operationId, exchange.name, exchange] as const))(
    '%s: %s',
    async (operationId, _name, exchange) => {
      const { operation, type, status, answer } = exchange;
      const answered = await send(world, exchange);
      expect([answered.status, answered.body]).toEqual([status, answered.body]);
      const schema = operation.responses[status]?.content?.['application/json']?.schema;
      expect([operationId, schema === undefined]).toEqual([operationId, answered.body === undefined]);
      if (schema !== undefined) {
        expect(objections(schema, answered.body)).toBeNull();
        if (answer !== undefined) expect(objections(schema, answer)).toBeNull();
      }
      if (type !== null) {
        const { schema: body = {}, examples = {} } = operation.requestBody?.content[type] ?? {};
        expect(objections(body, examples[exchange.name]?.value)).toBeNull();
      }
    },
  );
});
