/** NOTIFY tells a tailer at once that a flush has committed; polling covers what NOTIFY loses. */
import pg, { type Pool } from 'pg';
import { backoffMs } from '@meterhouse/runtime';

/** A flush notifies it after writing its change-log row; the payload is not used. */
export const CHANGE_LOG_CHANNEL = 'meterhouse_change_log';

/** Told of an event in a lane whose relay sleeps; the payload is the lane. */
export const OUTBOX_CHANNEL = 'meterhouse_outbox';

export interface Wakeups {
  stop(): Promise<void>;
}

const RECONNECT = { baseMs: 200, maxMs: 10_000 };

/**
 * Listens on a connection of its own and makes another when it breaks. Being deaf costs freshness,
 * never data, so a lost connection is told to `onDeaf` and nothing stops.
 */
export function listenToChangeLog(
  pool: Pool,
  onWake: () => void,
  onDeaf: (error: Error) => void,
  random: () => number = Math.random,
): Wakeups {
  return listenTo(CHANGE_LOG_CHANNEL, pool, { onWake, onDeaf, random });
}

/** The same, on any channel of ours. */
export function listenTo(
  channel: typeof CHANGE_LOG_CHANNEL | typeof OUTBOX_CHANNEL,
  pool: Pool,
  { onWake, onDeaf, random }: { onWake: () => void; onDeaf: (error: Error) => void; random: () => number },
): Wakeups {
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | undefined;
  let attempt = 0;
  let stopped = false;

  const lost = (dead: pg.Client, error: Error): void => {
    // A client reports its end more than once (error, then end).
    if (stopped || client !== dead) return;
    client = null;
    end(dead);
    onDeaf(error);
    timer = setTimeout(connect, backoffMs(attempt++, RECONNECT, random));
  };
  const connect = (): void => {
    // The pool's own settings: the same server, role and time-outs.
    const next = new pg.Client(pool.options);
    client = next;
    next.on('error', (error) => lost(next, error));
    next.on('end', () => lost(next, new Error('the connection ended')));
    next.on('notification', onWake);
    listen(next, channel).then(
      () => {
        attempt = 0;
        // What was notified while nobody listened.
        onWake();
      },
      (error: unknown) => lost(next, error instanceof Error ? error : new Error(String(error))),
    );
  };
  connect();

  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await client?.end().catch(ignore);
    },
  };
}

async function listen(client: pg.Client, channel: string): Promise<void> {
  await client.connect();
  await client.query(`LISTEN ${channel}`);
}

function end(client: pg.Client): void {
  client.end().catch(ignore);
}

/** The connection is being thrown away; how it ends tells nothing more. */
function ignore(): void {
  return undefined;
}
