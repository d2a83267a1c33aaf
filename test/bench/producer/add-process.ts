/** Times `add()` and the work behind it under each adapter in turns, in one process; also with nobody there. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createMeter, type Meter, type MeterConfiguration } from '@meterhouse/producer';
import { quantile } from '../statistics.ts';

/** In µs. */
export interface AddRound {
  readonly p50: number;
  readonly p99: number;
  /** CPU of the process for each event: of the calls alone, and with their delivery. */
  readonly callCpu: number;
  readonly deliveredCpu: number;
}

export interface AddTask {
  readonly rounds: number;
  readonly events: number;
  readonly configurations: Readonly<Record<string, Omit<MeterConfiguration, 'source'>>>;
}

export interface AddFigures {
  readonly adapters: Readonly<Record<string, AddRound[]>>;
  readonly away: Away;
}

interface Away {
  readonly offered: number;
  readonly taken: number;
  /** MiB of heap over its size at the start, after each tenth of the events. */
  readonly heapMib: number[];
  readonly closeDeadlineMs: number;
  readonly closeMs: number;
}

const AWAY = { events: 1_000_000, closeDeadlineMs: 500 };
const event = () => ({
  ...{ tenantId: 'acme-search', metric: 'llm.input_tokens', value: 1_280 },
  attrs: { model: 'large', region: 'eu-west' },
});
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

process.once('message', (task: AddTask) => {
  void measure(task).then((figures) => {
    process.send?.(figures, () => process.disconnect());
  });
});

async function measure({ rounds, events, configurations }: AddTask): Promise<AddFigures> {
  const meters = Object.entries(configurations).map(([name, configuration]) => {
    return { name, meter: createMeter({ source: 'bench', ...configuration }), rounds: [] as AddRound[] };
  });
  for (const { meter } of meters) await round(meter, events);
  for (let done = 0; done < rounds; done++)
    for (const each of meters) each.rounds.push(await round(each.meter, events));
  for (const { meter } of meters) await meter.close();
  return {
    adapters: Object.fromEntries(meters.map((each) => [each.name, each.rounds])),
    away: await withNobodyThere(),
  };
}

async function round(meter: Meter, events: number): Promise<AddRound> {
  const micros: number[] = [];
  const cpu = process.cpuUsage();
  for (let index = 0; index < events; index++) {
    const startedAt = performance.now();
    const taken = meter.add(event());
    micros.push((performance.now() - startedAt) * 1_000);
    if (!taken) throw new Error(`event ${index} was not taken: ${JSON.stringify(meter.counters())}`);
  }
  const called = process.cpuUsage(cpu);
  await meter.flush();
  const delivered = process.cpuUsage(cpu);
  return {
    p50: quantile(micros, 0.5),
    p99: quantile(micros, 0.99),
    callCpu: (called.user + called.system) / events,
    deliveredCpu: (delivered.user + delivered.system) / events,
  };
}

/** A sink that takes each request and never answers: the worst of those that are away. */
async function withNobodyThere(): Promise<Away> {
  const sink = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(sink, 'listening');
  const url = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
  const meter = createMeter({ source: 'bench', adapter: 'http', http: { url } });
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const heapMib: number[] = [];
  let taken = 0;
  for (let tenth = 0; tenth < 10; tenth++) {
    for (let index = 0; index < AWAY.events / 10; index++) if (meter.add(event())) taken += 1;
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    heapMib.push((process.memoryUsage().heapUsed - before) / 2 ** 20);
  }
  const startedAt = performance.now();
  await meter.close({ deadlineMs: AWAY.closeDeadlineMs });
  const closeMs = performance.now() - startedAt;
  sink.closeAllConnections();
  sink.close();
  return { offered: AWAY.events, taken, heapMib, closeDeadlineMs: AWAY.closeDeadlineMs, closeMs };
}
