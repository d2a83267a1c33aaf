/** Guarantee: the types of @meterhouse/client are those of the document that the API serves today. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { clientTypes, TYPES_PATH } from './client-types.ts';
import { servedDocument } from './document.ts';

test('the client’s types are up to date', async () => {
  const current = (await readFile(TYPES_PATH, 'utf8')) === (await clientTypes(await servedDocument()));
  // Not compared as texts: of four thousand lines nobody reads a difference.
  expect(current ? 'up to date' : 'old: npm run client:generate').toBe('up to date');
});
