/** An outbox into which services record, and at which no relay gets. */
import { inTransaction } from '@meterhouse/postgres';
import { createOutbox } from '@meterhouse/producer/outbox';
import type { TrialBed } from '../trial/bed.ts';
import type { Fault } from '../trial/fault.ts';
import { forgottenSession } from './forgotten-session.ts';

/** For a trial: half of it is soon reached. It is put back when this is mended. */
const BOUND = 100;
const RECORDED = 60;

const forgotten = forgottenSession('SELECT FROM meterhouse.outbox_lanes FOR UPDATE');

/** As the runbook says it. */
async function boundTo({ postgres }: TrialBed, rows: number): Promise<void> {
  await postgres.query('UPDATE meterhouse.outbox_state SET max_rows_per_lane = $1', [rows]);
}

export const outboxLocked: Fault = {
  name: 'outbox locked',
  alerts: ['MeterhouseOutboxBehind', 'MeterhouseOutboxNearBound', 'MeterhouseOutboxLanesUnheld'],
  broken: `a forgotten transaction holds a lock on the lanes; ${RECORDED} events of one tenant are recorded meanwhile, of ${BOUND} that a lane may hold`,
  mended: 'pg_terminate_backend of that session; the relay takes its lanes again and works them off',
  break: async (bed) => {
    await boundTo(bed, BOUND);
    await forgotten.begin(bed);
    const outbox = createOutbox({ source: 'orders' });
    await inTransaction(bed.postgres, async (client) => {
      for (let index = 0; index < RECORDED; index += 1)
        await outbox.recordIn(client, { tenantId: 'globex-routing', metric: 'api.calls', value: 1 });
    });
  },
  mend: async (bed) => {
    await forgotten.end(bed);
    await boundTo(bed, 100_000);
  },
};
