/** Keeps its own count of what producers were acknowledged, and judges the stores by it at the end. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { onMessage, sendToDriver } from '../processes/channel.ts';
import type { FromOracle, Judgement, OracleConfig, ToOracle } from '../processes/messages.ts';
import type { Acknowledged } from '../workload/planned-event.ts';
import { Ledger } from './ledger.ts';
import { readMirror } from './read-clickhouse.ts';
import { atOnePoint, readBuckets, readPlaces } from './read-postgres.ts';
import { bucketKey, compareBooks, mergeInto, type Book } from './totals.ts';
import { settle } from './verdict.ts';
import { WatermarkProbe } from './watermark-probe.ts';

const MAX_FINDINGS = 5;
const DAY_MS = 24 * 3_600_000;

const send = (message: FromOracle): Promise<void> => sendToDriver(message);
const ledger = new Ledger();
let config: OracleConfig | null = null;
let probe: WatermarkProbe | null = null;

onMessage((received) => {
  const message = received as ToOracle;
  switch (message.kind) {
    case 'start':
      config = message;
      probe = new WatermarkProbe(
        ledger,
        message.urls.postgres,
        message.names.topic,
        message.names.partitions,
      );
      void listen();
      return;
    case 'judge':
      judge().then(
        (judgement) => send({ kind: 'judged', judgement }),
        (error: unknown) =>
          send({
            kind: 'failed',
            reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
          }),
      );
      return;
    default:
      message satisfies never;
  }
});

async function listen(): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void takeDown(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await send({ kind: 'listening', port: (server.address() as AddressInfo).port });
}

/** A producer's line. Closed from here only once all of it has been read. */
async function takeDown(socket: Socket): Promise<void> {
  for await (const line of createInterface({ input: socket }))
    for (const acknowledged of JSON.parse(line) as Acknowledged[]) ledger.add(acknowledged);
  socket.end();
}

async function judge(): Promise<Judgement> {
  if (config === null || probe === null) throw new Error('the oracle has not been started');
  const { urls, names } = config;
  await probe.stop();
  const stored = await atOnePoint(urls.postgres, async (client) => ({
    places: await readPlaces(client, ledger),
    hours: await readBuckets(client, 'hours'),
    days: await readBuckets(client, 'days'),
  }));
  const { outcomes, book } = settle(ledger, stored.places, MAX_FINDINGS);
  const hours = compareBooks('Postgres', book, stored.hours, true, MAX_FINDINGS);
  const days = compareBooks('usage_daily', byDay(book), stored.days, false, MAX_FINDINGS);
  const mirror = compareBooks(
    'ClickHouse',
    book,
    await readMirror(urls.clickhouse, names.clickhouseDatabase),
    true,
    MAX_FINDINGS,
  );
  return {
    events: ledger.events,
    bad: ledger.bad,
    buckets: book.size,
    // An id can be remembered and not be counted, or the reverse: the buckets' counts say so.
    lost: Math.max(outcomes.lost, hours.shortage),
    double: Math.max(outcomes.double, hours.excess),
    misplaced: outcomes.misplaced,
    mismatchedBuckets: hours.mismatched,
    mismatchedDays: days.mismatched,
    mismatchedMirror: mirror.mismatched,
    watermarkProbes: probe.probes,
    watermarkLies: probe.lies,
    findings: [
      ...(probe.firstLie === null ? [] : [probe.firstLie]),
      ...outcomes.findings,
      ...hours.findings,
      ...days.findings,
      ...mirror.findings,
    ],
  };
}

/** The hours of a day added up. Keys are those of `bucketKey`. */
function byDay(hours: Book): Book {
  const days: Book = new Map();
  for (const [key, totals] of hours) {
    const [tenantId = '', metric = '', hour = '', ...attrs] = key.split(' | ');
    const day = Math.floor(Date.parse(hour) / DAY_MS) * DAY_MS;
    mergeInto(days, bucketKey(tenantId, metric, day, attrs.join(' | ')), totals);
  }
  return days;
}
