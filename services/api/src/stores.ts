/** Postgres as the API sees it: each question with no more rights than it needs. */
import { createPool, inTransaction, readLineage, type Pool, type PoolClient } from '@meterhouse/postgres';
import { findApiKey, touchApiKey, withTenantScope, type TenantScope } from '@meterhouse/postgres/access';
import type { Releases } from '@meterhouse/runtime';
import type { KeyStore } from './access/keys.ts';
import type { LineageReader } from './access/tenant-tree.ts';

type Work<T> = (db: PoolClient) => Promise<T>;
type Isolation = 'read committed' | 'repeatable read';

export interface Stores {
  /** One transaction that sees a tenant and all below it, as far as that lies in what the caller is. */
  readonly scoped: <T>(scope: TenantScope, work: Work<T>, isolation?: Isolation) => Promise<T>;
  /** Reads of the platform as a whole: only for routes whose access is `platform`. */
  readonly reading: <T>(work: Work<T>, isolation?: Isolation) => Promise<T>;
  /** Changes of the platform as a whole: only for routes whose access is `platform`. */
  readonly operating: <T>(work: Work<T>, isolation?: Isolation) => Promise<T>;
  readonly keys: KeyStore;
  readonly lineage: LineageReader;
  /** Resolves when Postgres answers. */
  readonly ping: () => Promise<void>;
}

/** Connections of each pool: together with the other services they stay below a small server's 100. */
const CONNECTIONS = { api: 10, reader: 5, operator: 3 };

export function openStores(url: string, releases: Releases): Stores {
  const open = (role: 'api' | 'reader' | 'operator'): Pool => {
    const applicationName = `meterhouse-api-${role}`;
    const pool = createPool({ url, role: `meterhouse_${role}`, applicationName, max: CONNECTIONS[role] });
    releases.add(`the Postgres pool of ${role}`, () => pool.end());
    return pool;
  };
  return storesOf({ api: open('api'), reader: open('reader'), operator: open('operator') });
}

/** Each pool has the rights of the role that names it. */
export function storesOf(pools: Readonly<Record<'api' | 'reader' | 'operator', Pool>>): Stores {
  const { api, reader, operator } = pools;
  return {
    scoped: (scope, work, isolation) => withTenantScope(api, scope, work, isolation),
    reading: (work, isolation) => inTransaction(reader, work, isolation),
    operating: (work, isolation) => inTransaction(operator, work, isolation),
    keys: {
      find: (keyId) => findApiKey(api, keyId),
      touch: (keyId) => touchApiKey(api, keyId),
    },
    lineage: (tenantId) => readLineage(reader, tenantId),
    ping: async () => {
      await api.query('SELECT 1');
    },
  };
}
