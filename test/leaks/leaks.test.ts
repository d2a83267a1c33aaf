/**
 * I9, by chance: the short form of `npm run test:leaks`. Random trees, random askers, random requests out of
 * the API's own document that name somebody else's things.
 *  - With both checks, no answer holds a text, an amount or a name of a tenant outside of the asker's scope, and
 *    no row of one changes; a role that may not is refused, and nothing fails inside.
 *  - Each check alone holds the same: the API's, with row-level security off, and row-level security, with an
 *    API that takes every tenant for everybody's: wherever rows stand behind an answer. What then fails, fails
 *    because row-level security refused to write a row of another tenant, and for nothing else.
 *  - With both taken out, leaks are found: of texts, of names and of changes.
 */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { expect, it } from 'vitest';
import { runLeaks, type LeakResult } from './run-leaks.ts';

const run = async (checks: { api: boolean; rows: boolean }, calls: number): Promise<LeakResult> =>
  runLeaks(await sharedStack(), { seed: 'short', calls, callsPerWorld: 1_000, checks, say: () => undefined });

it('I9: nothing leaks with both checks, and every operation was asked', async () => {
  const { leaks, asked, operations, done } = await run({ api: true, rows: true }, 2_000);
  expect(leaks).toEqual([]);
  expect([...asked].sort()).toEqual([...operations].sort());
  // Most of what a tenant may do is also done: refusals alone prove nothing.
  expect(done.size).toBeGreaterThan(25);
}, 600_000);

it('I9: nothing leaks while the API takes every tenant for everybody’s', async () => {
  const { leaks, failures, errors } = await run({ api: false, rows: true }, 1_000);
  expect(leaks).toEqual([]);
  // Where a row of a foreign tenant would be written, row-level security refuses the statement (42501): with the
  // API's check gone that is our fault, and answered so. These write one, the audit's as the entry of the look.
  const writing = /^(createKey|createWebhook|getAudit|(replay|discard)\w+) /;
  const failed = failures.filter((failure) => !failure.includes('"status":503'));
  expect(failed.filter((failure) => !writing.test(failure))).toEqual([]);
  expect([...errors].filter((code) => code !== '42501')).toEqual([]);
}, 600_000);

it('I9: nothing leaks while row-level security is off', async () => {
  expect((await run({ api: true, rows: false }, 1_000)).leaks).toEqual([]);
}, 600_000);

it('with both taken out, leaks of every kind are found', async () => {
  const kinds = new Set((await run({ api: false, rows: false }, 1_000)).leaks.map(({ kind }) => kind));
  for (const kind of ['text', 'id', 'change', 'event']) expect(kinds).toContain(kind);
}, 600_000);
