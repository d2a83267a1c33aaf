/**
 * A service that counts directly, to be killed: sends all events in an order of its own, and prints the number
 * of each that was acknowledged. Arguments: database URL, epoch ms of the events, `once` or `forever`.
 */
import { randomInt } from 'node:crypto';
import { createMeter, MeterError } from '@meterhouse/producer';
import { EVENTS, eventOf } from './direct-events.testing.ts';

const AT_ONCE = 40;
const [url = '', ts = '', until = 'once'] = process.argv.slice(2);
const meter = createMeter({ source: 'direct-test', adapter: 'postgres', postgres: { url } });

async function record(n: number): Promise<void> {
  for (;;) {
    try {
      await meter.record(eventOf(n, Number(ts)));
      // To a pipe this is written before it returns, so a kill takes nothing back.
      process.stdout.write(`${n}\n`);
      return;
    } catch (error) {
      if (!(error instanceof MeterError) || error.code !== 'not_acknowledged') throw error;
    }
  }
}

function shuffled(): number[] {
  const order = Array.from({ length: EVENTS }, (_, n) => n);
  for (let i = order.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

do {
  const order = shuffled();
  for (let at = 0; at < order.length; at += AT_ONCE)
    await Promise.all(order.slice(at, at + AT_ONCE).map(record));
} while (until === 'forever');
await meter.close();
