/** A process that spools for a transport that is never there, and says what it has taken, until it is killed. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { newTally } from '../counters.ts';
import { TransportError } from '../transport.ts';
import { Spool } from './spool.ts';

const [folder = '', most = '1000000'] = process.argv.slice(2);
const spool = new Spool(
  {
    send: () => Promise.reject(new TransportError('unavailable', 'nobody there')),
    close: () => Promise.resolve(),
    remakes: () => 0,
  },
  {
    folder,
    durability: 'process',
    ...{ maxBytes: 1e9, maxAgeMs: 1e9, drainEventsPerSecond: 1e6, adoptEveryMs: 1e6 },
    batch: { maxEvents: 1_000, maxBytes: 1e6 },
    attemptMs: 1_000,
  },
  newTally(),
  {
    now: Date.now,
    clock: () => performance.now(),
    random: Math.random,
    newName: () => `p${process.pid}`,
    logger: pino({ level: 'silent' }),
    onSetAside: () => undefined,
  },
);

let taken = 0;
const takeSome = (): void => {
  for (let count = 0; count < 20; count++) {
    const id = `p${process.pid}-${taken++}`;
    const refused = spool.offer({
      event: {
        ...{ id, tenantId: 'acme', metric: 'api.calls', value: '1', ts: 1_796_000_000_000, unit: null },
        ...{ source: 'test', attrs: {}, correlationId: null, attribution: null },
      },
      deadline: Number.POSITIVE_INFINITY,
      settle: () => undefined,
    });
    if (refused !== null) throw new Error(refused);
    writeSync(1, `${id}\n`);
  }
  if (taken < Number(most)) setImmediate(takeSome);
  else setInterval(() => undefined, 60_000);
};
takeSome();
