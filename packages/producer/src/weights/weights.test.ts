/**
 * Guarantees of weights by class, with one service's code for all classes:
 *  - internal: nothing, a line, a line and the count, or the count; at arm's length and external always
 *    counted, with a line where the platform wants one. Without weights all are counted and no class is asked.
 *  - Not knowing loses nothing: until a class is known, and when it cannot be found out, it is counted.
 *  - A class is taken for granted for so long; what a new answer changes holds from then on.
 *  - A line that could not be written is counted as lost, once. A log that is full holds up an import to it,
 *    and nothing that is metered.
 */
import type { TenantClass } from '@meterhouse/quota';
import { ONE, type UsageEvent } from '@meterhouse/usage';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ReaderError, type Adapter, type ClassOf } from '../adapter.ts';
import type { AnyConfiguration } from '../configuration/parse.ts';
import type { MeterConfiguration } from '../configuration/schema.ts';
import { createMeter } from '../create-meter.ts';
import type { Meter } from '../meter.ts';
import { overTransport } from '../own-adapter.ts';

const CLASSES: Readonly<Record<string, TenantClass>> = {
  ours: 'internal',
  partner: 'arms_length',
  customer: 'external',
};

interface Bed {
  readonly meter: Meter;
  /** Tenants of counted events. */
  readonly counted: () => string[];
  /** Tenants of lines in the audit log. */
  readonly lines: () => Promise<string[]>;
}

interface BedOptions extends Pick<MeterConfiguration, 'bounds' | 'sums'> {
  readonly clock?: () => number;
  readonly file?: string;
}

async function bed(
  weights: AnyConfiguration['weights'],
  classOf: ClassOf | null = (tenantId) => CLASSES[tenantId] ?? null,
  { clock = () => performance.now(), file = '', ...options }: BedOptions = {},
): Promise<Bed> {
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-weights-'));
  const sent: UsageEvent[] = [];
  const transport = {
    send: (events: readonly UsageEvent[]) => {
      sent.push(...events);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    remakes: () => 0,
  };
  const adapter: Adapter = { ...overTransport(transport), classOf };
  const log = { file: file === '' ? join(folder, 'audit.log') : file };
  const meter = createMeter({ source: 'test', adapter, log, weights, ...options }, { ports: { clock } });
  onTestFinished(async () => {
    await meter.close({ deadlineMs: 100 });
    await rm(folder, { recursive: true });
  });
  // Whoever knows classes is there once the adapter is.
  await meter.ready();
  await Promise.resolve();
  return {
    meter,
    counted: () => sent.map(({ tenantId }) => tenantId).sort(),
    lines: async () =>
      (await readFile(log.file, 'utf8'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { usageEvent: UsageEvent }).usageEvent.tenantId)
        .sort(),
  };
}

async function recordAll(meter: Meter): Promise<void> {
  for (const tenantId of ['ours', 'partner', 'customer', 'stranger'])
    await meter.record({ tenantId, metric: 'm' });
}

describe('by class, for one and the same code', () => {
  const ALL = ['customer', 'ours', 'partner', 'stranger'];
  it.each([
    [{ internal: 'off' }, ['customer', 'partner', 'stranger'], [], 1],
    [{ internal: 'audit' }, ['customer', 'partner', 'stranger'], ['ours'], 0],
    [{ internal: 'meter_and_audit', armsLength: 'meter_and_audit' }, ALL, ['ours', 'partner'], 0],
    [{ external: 'meter_and_audit' }, ALL, ['customer', 'stranger'], 0],
    [{}, ALL, [], 0],
  ] as const)('%o', async (weights, counted, lines, discarded) => {
    const { meter, ...seen } = await bed(weights);
    await recordAll(meter);
    expect(seen.counted()).toEqual(counted);
    if (lines.length > 0) expect(await seen.lines()).toEqual(lines);
    expect(meter.counters()).toMatchObject({
      acknowledged: counted.length,
      audited: lines.length,
      auditLost: 0,
      discarded,
    });
  });

  it('asks for no class where the platform weighs nothing', async () => {
    const classOf = vi.fn<ClassOf>();
    const { meter, counted } = await bed(undefined, classOf);
    await recordAll(meter);
    expect(counted()).toEqual(ALL);
    expect(classOf).not.toHaveBeenCalled();
  });
});

describe('not knowing', () => {
  it('counts until the class is known', async () => {
    const answer = Promise.withResolvers<TenantClass>();
    const { meter, counted } = await bed({ internal: 'off' }, () => answer.promise);
    await meter.record({ tenantId: 'ours', metric: 'm' });
    expect(counted()).toEqual(['ours']);
    answer.resolve('internal');
    await answer.promise;
    await vi.waitFor(async () => {
      await meter.record({ tenantId: 'ours', metric: 'm' });
      expect(meter.counters().discarded).toBeGreaterThan(0);
    });
  });

  it.each<[string, ClassOf | null]>([
    ['rejects', () => Promise.reject(new ReaderError('unavailable', 'gone'))],
    [
      'throws',
      () => {
        throw new TypeError('a defect');
      },
    ],
    ['is nobody', null],
  ])('counts where whoever is asked %s', async (_, classOf) => {
    const { meter, counted } = await bed({ internal: 'off' }, classOf);
    await recordAll(meter);
    expect(counted()).toHaveLength(4);
  });
});

it('takes a class for granted for so long, and then the new one', async () => {
  let now = 0;
  let ofOurs: TenantClass = 'internal';
  const classOf = vi.fn<ClassOf>(() => ofOurs);
  const { meter, counted } = await bed({ internal: 'off', maxAgeMs: 1_000 }, classOf, { clock: () => now });
  const record = () => meter.record({ tenantId: 'ours', metric: 'm' });
  await record();
  ofOurs = 'external';
  now = 999;
  await record();
  expect(classOf).toHaveBeenCalledTimes(1);
  expect(counted()).toEqual([]);
  now = 1_001;
  await record();
  expect(counted()).toEqual(['ours']);
});

describe('a small buffer', () => {
  const bounds = { bufferEvents: 2, batchEvents: 1, lingerMs: 0 };
  const events = (tenantId: string) => Array.from({ length: 20 }, () => ({ tenantId, metric: 'm' }));

  it('an import goes at the speed of the log', async () => {
    const { meter, lines } = await bed({ internal: 'audit' }, undefined, { bounds });
    const totals = await meter.recordMany(events('ours'));
    expect(totals).toEqual({ acknowledged: 20, refused: 0, notAcknowledged: 0 });
    expect(await lines()).toHaveLength(20);
    expect(meter.counters()).toMatchObject({ audited: 20, auditLost: 0 });
  });

  it('an event that has to be offered again gets one line, and is counted once', async () => {
    const { meter, counted, lines } = await bed({ external: 'meter_and_audit' }, undefined, { bounds });
    // Two, so that one takes the room that the other has waited for.
    await Promise.all([meter.recordMany(events('customer')), meter.recordMany(events('customer'))]);
    await meter.flush();
    const { auditLost, refused } = meter.counters();
    expect([counted().length, (await lines()).length + auditLost]).toEqual([40, 40]);
    expect(refused.buffer_full).toBe(0);
  });
});

describe.skipIf(process.platform !== 'linux')('a log that cannot be written', () => {
  const file = '/dev/full';

  it('costs lines, and they are counted', async () => {
    const { meter } = await bed({ external: 'meter_and_audit' }, undefined, { file });
    await meter.record({ tenantId: 'customer', metric: 'm' });
    await meter.close({ deadlineMs: 100 });
    expect(meter.counters()).toMatchObject({ acknowledged: 1, audited: 0, auditLost: 1 });
  });

  it('does not hold up sums that are metered', async () => {
    const options = { file, bounds: { bufferEvents: 1 }, sums: { everyMs: 60_000 } };
    const { meter, counted } = await bed({ internal: 'audit' }, undefined, options);
    const amounts = [['m', ONE]] as const;
    for (const route of ['/a', '/b', '/c']) meter.addUp({ tenantId: 'ours', amounts, attrs: { route } });
    meter.addUp({ tenantId: 'customer', amounts, attrs: {} });
    await meter.close({ deadlineMs: 100 });
    expect(counted()).toEqual(['customer']);
    expect(meter.counters()).toMatchObject({ auditLost: 3, refused: { buffer_full: 0 } });
  });
});
