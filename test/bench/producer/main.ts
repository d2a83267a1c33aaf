/**
 * `npm run bench:producer`: what metering costs the service that is metered.
 *
 *   add()    p50, p99 and CPU of a call under each adapter, in turns in one process
 *   Express  requests per second and p99 of one app, bare and with the wrapper (kafka), in turns
 *   away     the heap while a sink never answers, and how long close() takes then
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readEndpoints, startStack, type Endpoints } from '@meterhouse/dev-stack';
import { createPool, migratePostgres } from '@meterhouse/postgres';
import { newTopic } from '@meterhouse/producer/testing';
import { ratios, showSpread, spreadOf } from '../statistics.ts';
import type { AddFigures, AddTask } from './add-process.ts';
import { measureApp, type AppFigures } from './app.ts';
import { forked } from './forked.ts';

const { values: args } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    events: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '5' },
    /** A running stack's folder, instead of one of its own. */
    stack: { type: 'string' },
  },
});
const ROUNDS = Number(args.rounds);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-bench-producer-'));
const own = args.stack === undefined ? await startStack({ dataDir, onProgress: say }) : null;
const sink = createServer((request, response) => {
  request.resume().once('end', () => response.writeHead(204).end());
}).listen(0, '127.0.0.1');
try {
  await once(sink, 'listening');
  const endpoints = own?.endpoints ?? (await readEndpoints(args.stack ?? ''));
  const { target } = await newTopic(endpoints);
  const http = { url: `http://127.0.0.1:${(sink.address() as AddressInfo).port}` };
  const spooled = { delivery: 'spool', spool: { folder: join(dataDir, 'spool') } } as const;
  const add = await measureAdd({
    rounds: ROUNDS,
    events: Number(args.events),
    configurations: {
      noop: { adapter: 'noop' },
      log: { adapter: 'log' },
      kafka: { adapter: 'kafka', kafka: target },
      http: { adapter: 'http', http },
      postgres: { adapter: 'postgres', postgres: { url: await database(endpoints) } },
      'http, spool': { adapter: 'http', http, ...spooled },
    },
  });
  showAdd(add);
  const app = await measureApp(target, { rounds: ROUNDS, seconds: Number(args.seconds) });
  showApp(app);
  const machine = { cores: cpus().length, model: cpus()[0]?.model, load: loadavg() };
  say(`load ${machine.load.map((load) => load.toFixed(1)).join(', ')} on ${machine.cores} cores`);
  if (args.json !== undefined)
    await writeFile(args.json, `${JSON.stringify({ machine, add, app }, null, 2)}\n`);
} finally {
  sink.closeAllConnections();
  sink.close();
  await own?.stop();
  await rm(dataDir, { recursive: true, force: true });
}

async function measureAdd(task: AddTask): Promise<AddFigures> {
  const child = forked('add-process.ts');
  child.send(task);
  const [figures] = (await once(child, 'message')) as [AddFigures];
  return figures;
}

/** Registered, so that it counts and does not fill the quarantine. */
async function database({ postgres }: Endpoints): Promise<string> {
  const name = `bench_producer_${process.pid}`;
  const server = createPool({ url: postgres, applicationName: 'bench', max: 1 });
  await server.query(`CREATE DATABASE ${name}`);
  await server.end();
  const url = new URL(postgres);
  url.pathname = `/${name}`;
  await migratePostgres(url.href);
  const pool = createPool({ url: url.href, applicationName: 'bench', max: 1 });
  await pool.query(`
    INSERT INTO meterhouse.tenants (id, name) VALUES ('acme-search', 'Acme');
    INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family)
      VALUES ('llm.input_tokens', 'token', 'sum', 9, 'llm');
    UPDATE meterhouse.registry_version SET version = version + 1`);
  await pool.end();
  return url.href;
}

function showAdd({ adapters, away }: AddFigures): void {
  say('add(), µs: median of the rounds (least to most)');
  const kafka = adapters['kafka'] ?? [];
  for (const [name, rounds] of Object.entries(adapters)) {
    const of = (pick: (round: (typeof rounds)[number]) => number, digits: number): string =>
      showSpread(spreadOf(rounds.map(pick)), digits);
    const overKafka = ratios(
      rounds.map(({ p50 }) => p50),
      kafka.map(({ p50 }) => p50),
    );
    say(
      `  ${name.padEnd(12)} p50 ${of((r) => r.p50, 2)}  p99 ${of((r) => r.p99, 1)}  CPU of the call ${of((r) => r.callCpu, 1)}, ` +
        `delivered ${of((r) => r.deliveredCpu, 1)}  p50 over kafka's ${showSpread(spreadOf(overKafka), 2)}`,
    );
  }
  const heap = away.heapMib.map((mib) => mib.toFixed(0)).join(' ');
  say(`with a sink that never answers: ${away.taken} of ${away.offered} events taken`);
  say(`  heap after each tenth, MiB: ${heap}`);
  say(`  close() with ${away.closeDeadlineMs} ms: ${away.closeMs.toFixed(0)} ms`);
}

function showApp({ bare, metered, summed, delivered }: AppFigures): void {
  say('an Express app with the wrapper (kafka), over the bare one');
  for (const [words, rounds, events] of [
    ['each request by itself', metered, delivered.metered],
    ['added up for 250 ms', summed, delivered.summed],
  ] as const) {
    const over = (pick: (round: AppFigures['bare'][number]) => number): string =>
      showSpread(spreadOf(ratios(rounds.map(pick), bare.map(pick))), 3);
    say(`  ${words}: ${events} events`);
    say(`    requests per second ${over((round) => round.requestsPerSecond)}`);
    say(`    p99                 ${over((round) => round.p99Ms)}`);
  }
}
