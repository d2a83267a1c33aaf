/** Nobody mirrors or publishes; ClickHouse holds what it should not; the publisher’s memory fills. */
import { CLICKHOUSE_MIRROR } from '@meterhouse/postgres';
import { TOPICS } from '@meterhouse/kafka';
import type { PoolClient } from 'pg';
import type { TrialBed } from '../trial/bed.ts';
import { handedOn, type Fault } from '../trial/fault.ts';

const MIRROR = { sql: 'hashtext($1)', values: [`meterhouse.mirror.${CLICKHOUSE_MIRROR}`] };
const PUBLISHER = {
  sql: 'hashtext($1), hashtext($2)',
  values: ['meterhouse.snapshot_publisher', TOPICS.usageSnapshots],
};
const strangers = handedOn<readonly PoolClient[]>('the session that holds the locks');

export const locksTaken: Fault = {
  name: 'locks taken',
  alerts: ['MeterhouseMirrorMissing', 'MeterhouseSnapshotsNoLeader'],
  broken: 'a session of a stranger takes the locks of the mirror and of the snapshot publisher',
  mended: 'pg_terminate_backend of that session',
  break: async ({ postgres }) => {
    const taken: PoolClient[] = [];
    strangers.set(taken);
    for (const { sql, values } of [MIRROR, PUBLISHER]) {
      const stranger = await postgres.connect();
      taken.push(stranger);
      // Ended by mending.
      stranger.on('error', () => undefined);
      // It stands in the queue, so it has the lock as soon as its holder is gone.
      const waits = stranger.query(`SELECT pg_advisory_lock(${sql})`, values);
      await postgres.query(
        `SELECT pg_terminate_backend(held.pid) FROM pg_locks AS held JOIN pg_stat_activity AS a USING (pid)
         WHERE held.locktype = 'advisory' AND held.granted AND a.application_name <> 'trial'
           AND (held.classid, held.objid, held.objsubid) IN (
             SELECT classid, objid, objsubid FROM pg_locks AS w JOIN pg_stat_activity AS wa USING (pid)
             WHERE w.locktype = 'advisory' AND NOT w.granted AND wa.application_name = 'trial')`,
      );
      await waits;
    }
  },
  mend: async ({ postgres }) => {
    await postgres.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity AS a USING (pid)
       WHERE locktype = 'advisory' AND a.application_name = 'trial'`,
    );
    for (const stranger of strangers.get()) stranger.release(true);
  },
};

export const mirrorCorrupted: Fault = {
  name: 'mirror corrupted',
  alerts: ['MeterhouseMirrorDrift'],
  broken: 'DELETE of a tenant’s buckets in ClickHouse',
  mended: 'meterhouse rebuild clickhouse',
  break: async ({ clickhouseUrl, meter }) => {
    await meter.record({ tenantId: 'lumen-records', metric: 'llm.output_tokens', source: 'gateway' });
    const response = await fetch(clickhouseUrl, {
      method: 'POST',
      body: `DELETE FROM meterhouse.usage_hourly_revisions WHERE tenant_id IN ('lumen-imaging', 'globex-routing')`,
    });
    if (!response.ok) throw new Error(await response.text());
  },
  mend: async ({ meterhouse }) => {
    await meterhouse('rebuild', 'clickhouse');
  },
};

const BUCKETS = 1_000;

/** The trial's system has SNAPSHOT_MAX_BUCKETS=1000 until it is mended. */
export const publisherNearItsLimit: Fault = {
  name: 'publisher near its limit',
  alerts: ['MeterhouseSnapshotMemoryNearLimit'],
  broken: `buckets of many models are made until there are more than 850 (SNAPSHOT_MAX_BUCKETS=${BUCKETS})`,
  mended: 'everything is started again with SNAPSHOT_MAX_BUCKETS=100000',
  break: async (bed) => {
    const wanted = 850 - (await bucketsNow(bed));
    await Promise.all(
      Array.from({ length: Math.max(0, wanted) }, (_unused, index) =>
        bed.meter.record({
          ...{ tenantId: 'lumen', metric: 'llm.output_tokens', source: 'gateway' },
          attrs: { model: `model-${index}` },
        }),
      ),
    );
  },
  mend: (bed) => bed.restart({ SNAPSHOT_MAX_BUCKETS: '100000' }),
};

async function bucketsNow({ prometheus }: TrialBed): Promise<number> {
  const [sample] = await prometheus.query('max(usage_snapshot_buckets)');
  if (sample === undefined) throw new Error('the publisher does not say how many buckets it holds');
  return sample.value;
}
