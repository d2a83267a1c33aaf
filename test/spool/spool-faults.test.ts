/**
 * The short form of `npm run test:spool`. What a meter with a spool has taken is counted, exactly once:
 * services that share a folder are killed with SIGKILL at random moments, with the broker away half of the
 * time, and one more process drains what they left.
 */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { expect, it } from 'vitest';
import { readLedger } from './ledger.ts';
import { runSpoolFaults } from './run-spool-faults.ts';

it('taken is counted, once, by services that are killed', async () => {
  const result = await runSpoolFaults(await sharedStack(), {
    seed: 'short',
    rounds: 6,
    maxRoundMs: 500,
    // Other tests use it.
    brokerPid: null,
    say: () => undefined,
  });
  expect(result.taken).toBeGreaterThan(100);
  expect(result.roundsWithoutBroker).toBeGreaterThan(0);
  expect(result).toMatchObject({ lost: 0, wrong: 0, quarantined: 0n });
}, 600_000);

it('a ledger line that a kill has cut off says nothing', () => {
  const { offered, taken } = readLedger(['+ a t 1\n= a t 1\n+ b t 2\n= b', '']);
  expect([...offered.keys()]).toEqual(['a', 'b']);
  expect([...taken]).toEqual(['a']);
});
