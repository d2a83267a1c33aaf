/** Stores that are frozen: they hold their connections and answer nobody. */
import { connect, type Socket } from 'node:net';
import { pause } from '@meterhouse/runtime';
import { ignoreNoAnswer, MODEL_CALL } from '../trial/traffic.ts';
import type { TrialBed } from '../trial/bed.ts';
import { handedOn, type Fault } from '../trial/fault.ts';
import { forgottenSession } from './forgotten-session.ts';

/** More than both thresholds, of one tenant and so of one partition. */
const BACKLOG = 55_000;

export const postgresFrozen: Fault = {
  name: 'Postgres frozen',
  alerts: ['MeterhousePartNotReady', 'MeterhouseDecisionLogBehind', 'MeterhouseNothingKnown'],
  broken: 'SIGSTOP to all of Postgres',
  mended: 'SIGCONT',
  break: (bed) => bed.signal('postgres', 'SIGSTOP'),
  keepBroken: async ({ api }) => {
    // A denial that waits to be kept.
    await api('POST', '/v1/decide', { ...MODEL_CALL, tenantId: 'studio-nord' }).catch(ignoreNoAnswer);
  },
  mend: (bed) => bed.signal('postgres', 'SIGCONT'),
};

// Reading goes on: who looks sees what is behind.
const forgotten = forgottenSession('LOCK TABLE meterhouse.change_log IN SHARE MODE');

export const countingHeldUp: Fault = {
  name: 'counting held up',
  alerts: [
    'MeterhouseCountingLate',
    'MeterhousePartitionLate',
    'MeterhouseBacklog',
    'MeterhousePartitionBacklog',
    'MeterhouseStuck',
  ],
  broken: `a forgotten transaction holds a lock that every flush needs; ${BACKLOG} events of one tenant are sent meanwhile`,
  mended: 'pg_terminate_backend of that session; the backlog is counted',
  break: async (bed) => {
    await forgotten.begin(bed);
    const events = Array.from({ length: BACKLOG }, () => ({
      ...{ tenantId: 'lumen-imaging', metric: 'llm.output_tokens', value: '1', source: 'backlog' },
    }));
    await bed.meter.recordMany(events);
  },
  mend: forgotten.end,
};

const uploads = handedOn<readonly Socket[]>('an upload');
const keyOfDenials = handedOn<string>('a key');
/** A body of 4.9 MB that never ends; five of them are more than one key may send at one time. */
const BODY_BYTES = 4_900_000;
const UPLOADS = 6;
const DENIALS = 105;

export const kafkaFrozen: Fault = {
  name: 'Kafka frozen',
  alerts: [
    'MeterhouseEventsNotAcknowledged',
    'MeterhouseApiErrorsFast',
    'MeterhouseApiErrorsSlow',
    'MeterhouseApiSlow',
    'MeterhouseApiRefusesEvents',
    'MeterhouseDecisionsOverflowed',
  ],
  broken:
    'SIGSTOP to the broker; events are sent over HTTP, more bodies at one time than a key may, and more denials than wait for the broker',
  mended: 'SIGCONT; the senders send again',
  break: async (bed) => {
    keyOfDenials.set(await bed.newKey('acme'));
    await bed.signal('kafka', 'SIGSTOP');
    uploads.set(await unfinishedUploads(bed));
    await denyMany(bed, keyOfDenials.get());
  },
  keepBroken: async (bed) => {
    // Not awaited: each is answered after eight seconds.
    for (let request = 0; request < 4; request += 1) void sendEvent(bed);
    for (const socket of uploads.get()) socket.destroy();
    uploads.set(await unfinishedUploads(bed));
    await bed.api('POST', '/v1/decide', MODEL_CALL).catch(ignoreNoAnswer);
  },
  mend: async (bed) => {
    for (const socket of uploads.get()) socket.destroy();
    await bed.signal('kafka', 'SIGCONT');
  },
};

async function sendEvent({ api }: TrialBed): Promise<void> {
  await api('POST', '/v1/events', {
    tenantId: 'lumen-imaging',
    metric: 'llm.output_tokens',
    value: '1',
  }).catch(ignoreNoAnswer);
}

async function unfinishedUploads({ apiUrl, newKey }: TrialBed): Promise<readonly Socket[]> {
  uploadKey ??= await newKey('acme');
  const { hostname, port } = new URL(apiUrl);
  const head =
    `POST /v1/events HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${uploadKey}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`;
  const body = Buffer.alloc(BODY_BYTES - 1, ' ');
  return Array.from({ length: UPLOADS }, () => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(head);
      socket.write(body);
    });
    // Refused ones are cut off: that is what is wanted.
    socket.on('error', () => undefined);
    socket.resume();
    return socket;
  });
}
let uploadKey: string | null = null;

/** Denials of somebody who is nobody's member. */
async function denyMany({ api }: TrialBed, key: string): Promise<void> {
  const stranger = {
    ...MODEL_CALL,
    tenantId: 'acme-support',
    actor: { type: 'user', id: 'mallory', roles: [] },
  };
  const questions = Array.from({ length: 100 }, () => stranger);
  for (let batch = 0; batch < DENIALS;) {
    const { status } = await api('POST', '/v1/decide/batch', { questions }, key);
    if (status === 200) batch += 1;
    else if (status === 429) await pause(500, new AbortController().signal);
    else throw new Error(`a batch of questions was answered ${status}`);
  }
}

export const clickhouseFrozen: Fault = {
  name: 'ClickHouse frozen',
  alerts: [
    'MeterhouseMirrorBehind',
    'MeterhouseMirrorComparisonOld',
    'MeterhouseChangeLogNearLimit',
    'MeterhouseTailerStartsAgain',
  ],
  broken: 'SIGSTOP to ClickHouse; more flushes come than the change log may hold (MAX_CHANGE_LOG_ROWS=1000)',
  mended: 'SIGCONT; the mirror makes itself anew',
  break: (bed) => bed.signal('clickhouse', 'SIGSTOP'),
  keepBroken: async ({ meter }) => {
    // One at a time, of many tenants: each is a flush of its own.
    const tenants = [
      'acme',
      'acme-vision',
      'globex',
      'globex-tracking',
      'lumen',
      'lumen-records',
      'studio-nord',
    ];
    for (let event = 0; event < 60; event += 1)
      await Promise.all(
        tenants.map((tenantId) => meter.record({ tenantId, metric: 'llm.output_tokens', source: 'trickle' })),
      );
  },
  mend: (bed) => bed.signal('clickhouse', 'SIGCONT'),
};
