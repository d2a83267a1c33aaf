/** What is done now and then beside keeping: saying how far it is, and forgetting what is old, reservations too. */
import { errorCode, isRetryable, type Pool } from '@meterhouse/postgres';
import { sweepReservations } from '@meterhouse/postgres/capacity';
import { forgetDecisions, noteDecisionLog } from '@meterhouse/postgres/decisions';
import { pause, type Logger } from '@meterhouse/runtime';
import type { Kafka } from 'kafkajs';
import { readStands, tellLosses, type Stand } from './stands.ts';

export interface HousekeepingTimes {
  readonly standEveryMs: number;
  readonly sweepEveryMs: number;
  readonly reservationsEveryMs: number;
}

export interface HousekeepingOptions {
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly topic: string;
  readonly groupId: string;
  readonly keepMs: number;
  /** How long a reservation is kept after its end; a day at least. */
  readonly keepReservationsMs: number;
  /** Rows that one round takes away or settles at most, of decisions and of reservations each. */
  readonly sweepRows: number;
  readonly times: HousekeepingTimes;
  readonly logger: Logger;
  readonly onStands: (stands: readonly Stand[]) => void;
  readonly fail: (error: unknown) => void;
}

export function startHousekeeping(options: HousekeepingOptions): { stop: () => Promise<void> } {
  const { times, logger } = options;
  const stopping = new AbortController();
  const done = Promise.all([
    repeat('saying how far decisions are kept', times.standEveryMs, () => noteStands(options)),
    repeat('forgetting old decisions', times.sweepEveryMs, () => sweep(options)),
    repeat('settling reservations', times.reservationsEveryMs, () => sweepCapacity(options)),
  ]).catch(options.fail);
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };

  async function repeat(what: string, everyMs: number, job: () => Promise<boolean>): Promise<void> {
    let quiet = true;
    while (!stopping.signal.aborted) {
      let more = false;
      try {
        more = await job();
        quiet = true;
      } catch (error) {
        if (!isRetryable(error) && !isKafkas(error)) throw error;
        if (quiet) logger.warn({ code: errorCode(error), err: error }, `${what} waits`);
        quiet = false;
      }
      if (!more) await pause(everyMs, stopping.signal);
    }
  }
}

async function noteStands(options: HousekeepingOptions): Promise<boolean> {
  const { pool, kafka, topic, groupId, logger, onStands } = options;
  const askedAt = performance.now();
  const stands = await readStands(kafka, topic, groupId);
  onStands(stands);
  tellLosses(stands, logger);
  await noteDecisionLog(pool, topic, stands, performance.now() - askedAt);
  return false;
}

/** @returns whether there may be more */
async function sweep({ pool, keepMs, sweepRows, logger }: HousekeepingOptions): Promise<boolean> {
  const forgotten = await forgetDecisions(pool, { keepMs, maxRows: sweepRows });
  if (forgotten > 0) logger.info({ forgotten }, 'old decisions forgotten');
  return forgotten >= sweepRows;
}

/**
 * Nothing that is decided waits for it: an expired reservation counts for nothing from that instant on.
 * @returns whether there may be more
 */
async function sweepCapacity(options: HousekeepingOptions): Promise<boolean> {
  const { pool, keepReservationsMs: keepMs, sweepRows: maxRows, logger } = options;
  const { settled, forgotten, more } = await sweepReservations(pool, { keepMs, maxRows });
  if (settled + forgotten > 0) logger.info({ settled, forgotten }, 'reservations settled and forgotten');
  if (more) logger.warn({ maxRows }, 'more reservations have ended than one round settles; going on');
  return more;
}

function isKafkas(error: unknown): boolean {
  return error instanceof Error && error.name.startsWith('KafkaJS');
}
