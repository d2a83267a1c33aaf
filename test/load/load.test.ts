/**
 * The short form of `npm run test:load`. Acknowledged over HTTP is counted, exactly: the API is killed
 * under its requests and started again, the senders repeat what got no answer under the same
 * Idempotency-Key, and every tenant's usage is what was acknowledged to them, once.
 */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { expect, it } from 'vitest';
import { runLoad } from './run-load.ts';

it('acknowledged is counted, once, through an API that is killed and restarted', async () => {
  const { acknowledged, counted, quarantined } = await runLoad(await sharedStack(), {
    seconds: 6,
    kills: 2,
    connections: 8,
    batchEvents: 100,
    say: () => undefined,
  });
  expect(acknowledged.events).toBeGreaterThan(0);
  expect(acknowledged.unanswered).toBeGreaterThan(0);
  expect(counted).toEqual(acknowledged.byTenant);
  expect(quarantined).toBe(0n);
}, 600_000);
