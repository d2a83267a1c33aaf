/**
 * The short form of `npm run test:injection`: every text of every operation that the API's document has,
 * each with some of the corpus.
 *  - Whatever stands in a text, it is taken as a value: nothing fails inside, and what is refused is refused
 *    with its field.
 *  - No answer shows what is another tenant's, and no row of one changes.
 */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { expect, it } from 'vitest';
import { runInjection } from './run-injection.ts';

it('takes every text of every operation as a value', async () => {
  const result = await runInjection(await sharedStack(), {
    seed: 'short',
    textsAPlace: 3,
    say: () => undefined,
  });
  expect(result.faults).toEqual([]);
  expect(result.touched).toEqual([]);
  // Texts were found deep in bodies, and some are taken: refusals alone prove nothing.
  expect([...result.places].filter((place) => place.includes(' body.')).length).toBeGreaterThan(150);
  expect(result.byStatus.get(200)).toBeGreaterThan(100);
  expect(result.byStatus.get(400)).toBeGreaterThan(200);
}, 600_000);
