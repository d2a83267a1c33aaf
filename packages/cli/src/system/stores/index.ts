/** The system through its stores. */
import { listAudit } from '@meterhouse/postgres/access';
import { listReservations } from '@meterhouse/postgres/capacity';
import type { Stores } from '../../connect/stores.ts';
import type { Output } from '../../output/output.ts';
import type { System } from '../system.ts';
import { decisionsInStores } from './decisions.ts';
import { importToBroker } from './importing.ts';
import { keysInStores } from './keys.ts';
import { quarantineInStores } from './quarantine.ts';
import { registryInStores } from './registry.ts';
import { usageInStores } from './usage.ts';

export function systemOfStores(
  stores: Stores,
  surroundings: { readonly out: Output; readonly now: () => number; readonly signal: AbortSignal },
): System {
  const { out, now, signal } = surroundings;
  return {
    registry: registryInStores(stores, now),
    usage: (asked) => usageInStores(asked, stores, out),
    keys: keysInStores(stores),
    audit: async (filter) => listAudit(await stores.postgres('meterhouse_reader'), filter),
    quarantine: quarantineInStores(stores, signal),
    decisions: decisionsInStores(stores),
    reservations: async ({ pool, tenantId, states, afterId, limit }) =>
      listReservations(
        await stores.postgres('meterhouse_reader'),
        { states, ...(pool === null ? {} : { pool }), ...(tenantId === null ? {} : { tenantId }) },
        { afterId, limit },
      ),
    openImport: () => importToBroker(stores, { out, signal }),
  };
}
