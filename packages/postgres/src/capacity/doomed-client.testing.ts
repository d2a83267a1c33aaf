/**
 * A client of the pool that is there to be killed: `doomed-client.testing.ts MODE`, with DATABASE_URL.
 *
 *  transaction  reserves in a transaction of its own, says "waiting" and keeps it open
 *  unanswered   sends the operation, and freezes before it can read the answer
 *  crowd        reserves, confirms, renews and releases until it is killed
 */
import { randomUUID } from 'node:crypto';
import { isRetryable } from '../errors.ts';
import { createClient, createPool } from '../pool.ts';
import { confirm, release, renew, reserve } from './index.ts';

const [mode, ...args] = process.argv.slice(2);
const url = process.env['DATABASE_URL'] ?? '';
const session = { url, role: 'meterhouse_gate', applicationName: 'doomed' } as const;
const request = { tenantId: 'acme', by: `doomed-${process.pid}` };

switch (mode ?? '') {
  case 'transaction':
    await keepOpen();
    break;
  case 'unanswered':
    await freezeOnceSent();
    break;
  case 'crowd':
    await beOneOfMany(args[0] ?? '');
    break;
  default:
    throw new Error(`no mode ${String(mode)}`);
}

async function keepOpen(): Promise<void> {
  const [pool = '', key = ''] = args;
  const client = createClient(session);
  await client.connect();
  await client.query('BEGIN');
  await reserve(client, { ...request, pool, key, units: 1n, ttlMs: 60_000 });
  process.stdout.write('waiting\n');
  setInterval(() => undefined, 60_000);
}

/** What was asked is in the kernel's hands once the event loop has turned; this process is none the wiser. */
async function freezeOnceSent(): Promise<void> {
  const [statement = '', ...parameters] = args;
  const client = createClient(session);
  await client.connect();
  void client.query(statement, parameters);
  setImmediate(() => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
}

async function beOneOfMany(pool: string): Promise<void> {
  const db = createPool(session);
  const ttlMs = 40;
  for (let turn = 0; ; turn++) {
    const wanted = { ...request, pool, key: randomUUID(), units: BigInt(1 + (turn % 3)), ttlMs };
    const answer = await untilAnswered(() => reserve(db, wanted));
    if (answer.kind !== 'reserved') continue;
    let holder = { ...request, reservationId: answer.reservationId, fencingToken: answer.fencingToken };
    if (turn % 2 === 0) await untilAnswered(() => confirm(db, { ...holder, ttlMs }));
    const renewal = { ...holder, key: randomUUID(), ttlMs };
    const renewed = await untilAnswered(() => renew(db, renewal));
    if (renewed.kind === 'renewed') holder = { ...holder, fencingToken: renewed.fencingToken };
    // Now and then it forgets, and time has to do it.
    if (turn % 4 !== 0) await untilAnswered(() => release(db, holder));
  }
}

/** Sessions are ended under it too. */
async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await call();
    } catch (error) {
      if (!isRetryable(error)) throw error;
    }
}
