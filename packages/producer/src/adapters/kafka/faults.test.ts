/**
 * Guarantees of delivery through faults, on a broker and registry of this test's own:
 *  - I2 at the producer: whatever is killed, restarted or frozen mid-stream, every acknowledged event is
 *    on the topic, and none is given up that the faults left time for.
 *  - Events taken before the registry can be reached wait within the bound, and arrive.
 */
import { startStack, type Stack } from '@meterhouse/dev-stack';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createMeter } from '../../create-meter.ts';
import type { Meter } from '../../meter.ts';
import { newTopic, readTopic } from '../../testing.ts';

let stack: Stack;

beforeAll(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-producer-'));
  stack = await startStack({ dataDir, parts: ['kafka', 'schemaRegistry'] });
  return async () => {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}, 300_000);

/** Records one event after the other, `width` at a time, until told to stop. */
function keepRecording(meter: Meter, width: number) {
  const acknowledged: string[] = [];
  const failed: unknown[] = [];
  let stopped = false;
  const worker = async (name: number) => {
    for (let i = 0; !stopped; i++) {
      try {
        const { id } = await meter.record({
          id: `${name}-${i}`,
          tenantId: `tenant-${name % 7}`,
          metric: 'api.calls',
        });
        acknowledged.push(id);
      } catch (error) {
        failed.push(error);
      }
    }
  };
  const workers = Array.from({ length: width }, (_, name) => worker(name));
  return {
    acknowledged,
    failed,
    /** Waits until `more` events have been acknowledged from now on. */
    acknowledge: (more: number) => {
      const enough = acknowledged.length + more;
      return vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(enough), {
        timeout: 60_000,
        interval: 50,
      });
    },
    stop: async () => {
      stopped = true;
      await Promise.all(workers);
    },
  };
}

describe('I2: an acknowledged event', () => {
  it('is on the topic after the broker was killed and restarted, and frozen and let go, mid-stream', async () => {
    const { topic, kafka, target } = await newTopic(stack.endpoints);
    const meter = createMeter({
      adapter: 'kafka',
      kafka: target,
      source: 'fault-test',
      bounds: { attemptMs: 2_000, deliveryMs: 120_000, batchEvents: 50 },
    });
    const stream = keepRecording(meter, 200);
    const broker = stack.part('kafka');

    await stream.acknowledge(2_000);
    await broker.kill('SIGKILL');
    await broker.start();
    await stream.acknowledge(2_000);

    await broker.kill('SIGSTOP');
    const { retries } = meter.counters();
    await vi.waitFor(() => expect(meter.counters().retries).toBeGreaterThan(retries), { timeout: 60_000 });
    await broker.kill('SIGCONT');
    await stream.acknowledge(2_000);
    await stream.stop();
    const counters = await meter.close();

    expect(stream.failed).toEqual([]);
    expect(counters).toMatchObject({ acknowledged: stream.acknowledged.length, failed: 0, buffered: 0 });
    expect(counters.producersRemade).toBeGreaterThanOrEqual(2);
    const onTopic = new Set((await readTopic(stack.endpoints, kafka, topic)).map(({ event }) => event.id));
    expect(stream.acknowledged.filter((id) => !onTopic.has(id))).toEqual([]);
  }, 240_000);

  it('may have been taken before the registry could be reached', async () => {
    const { topic, kafka, target } = await newTopic(stack.endpoints);
    const registry = stack.part('schemaRegistry');
    await registry.kill('SIGKILL');
    const meter = createMeter({
      adapter: 'kafka',
      kafka: target,
      source: 'fault-test',
      bounds: { bufferEvents: 100 },
    });
    const taken = Array.from({ length: 150 }, (_, i) =>
      meter.add({ id: `e-${i}`, tenantId: 'acme', metric: 'm' }),
    );
    await vi.waitFor(() => expect(meter.counters().retries).toBeGreaterThan(0), { timeout: 30_000 });
    expect(taken.filter(Boolean)).toHaveLength(100);
    expect(meter.counters()).toMatchObject({ buffered: 100, acknowledged: 0, refused: { buffer_full: 50 } });
    await registry.start();
    await meter.flush();
    expect(await meter.close()).toMatchObject({ acknowledged: 100, failed: 0 });
    expect(await readTopic(stack.endpoints, kafka, topic)).toHaveLength(100);
  }, 120_000);
});
