/** A bound on memory that somebody raised beyond what the process may have, and a backlog that fills it. */
import { TOPICS } from '@meterhouse/kafka';
import type { TrialBed } from '../trial/bed.ts';
import type { Fault } from '../trial/fault.ts';
import { forgottenSession } from './forgotten-session.ts';

const MESSAGE_BYTES = 900_000;
/** With what the process needs anyway, well above 653 MiB. */
const MESSAGES = 800;
/** A partition's batch is at most 16 MiB. */
const AT_ONCE = 8;
const LONG_MS = '3600000';

const forgotten = forgottenSession('LOCK TABLE meterhouse.change_log IN SHARE MODE');

export const memoryFilled: Fault = {
  name: 'memory filled',
  alerts: ['MeterhouseMemoryHigh'],
  broken: `MAX_BUFFERED_MIB=1024 for the aggregator; a forgotten transaction holds counting up while ${MESSAGES} messages of ${MESSAGE_BYTES / 1_000} KB come in`,
  mended: 'pg_terminate_backend of that session; everything is started again with the bound as it was',
  break: async (bed) => {
    // It has to wait for the lock, not to give up.
    await bed.restart({
      ...{ MAX_BUFFERED_MIB: '1024', SNAPSHOT_MAX_BUCKETS: '100000' },
      ...{ POSTGRES_TIMEOUT_MS: LONG_MS, STALL_TIMEOUT_MS: LONG_MS },
    });
    await forgotten.begin(bed);
    await sendLarge(bed);
  },
  mend: async (bed) => {
    await forgotten.end(bed);
    await bed.restart({ SNAPSHOT_MAX_BUCKETS: '100000' });
  },
};

/** No events: they end in quarantine. */
async function sendLarge({ kafka }: TrialBed): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  try {
    const value = Buffer.alloc(MESSAGE_BYTES, 'x');
    for (let sent = 0; sent < MESSAGES; sent += AT_ONCE)
      await producer.send({
        topic: TOPICS.usageEvents,
        acks: -1,
        messages: Array.from({ length: AT_ONCE }, () => ({ partition: 0, value })),
      });
  } finally {
    await producer.disconnect();
  }
}
