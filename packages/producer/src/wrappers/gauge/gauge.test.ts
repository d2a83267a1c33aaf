/**
 *  - a month of random levels at random instants: what was told, and what is left, is the exact area;
 *    no interval lies in two hours, none overlaps another, no id comes twice
 *  - without a heartbeat for longer than the lease, usage ends at the last heartbeat
 *  - a process that freezes, a wall clock that is set forward or back: what is billed is the time that passed
 *  - the same gauge observed twice is the same events; what the meter does not take is given again
 *  - nothing keeps the process alive
 */
import { spawnSync } from 'node:child_process';
import { HOUR_MS, parseDecimal } from '@meterhouse/usage';
import { expect, test } from 'vitest';
import type { UsageEventInput } from '../../event-input.ts';
import type { WrapperProblem } from '../port.ts';
import { createGauges, type GaugeDescription, type GaugesOptions } from './index.ts';

const START = Date.UTC(2026, 0, 31, 22, 13, 7, 123);
const GPU: GaugeDescription = { name: 'node-7/gpu-0', tenantId: 'acme', metric: 'gpu.hours' };

function world(options: Partial<GaugesOptions> = {}) {
  const events: UsageEventInput[] = [];
  const problems: WrapperProblem[] = [];
  let wallMs = START;
  let monotonicMs = 5_000.75;
  let tick = (): void => undefined;
  const gauges = createGauges({
    meter: { add: (event) => events.push(event) > 0 },
    onProblem: (problem) => problems.push(problem),
    ...options,
    ports: {
      wallMs: () => wallMs,
      monotonicMs: () => monotonicMs,
      every: (_everyMs, work) => {
        tick = work;
        return () => undefined;
      },
    },
  });
  return {
    gauges,
    events,
    problems,
    tick: () => tick(),
    /** Lets time pass without a heartbeat. */
    sleep: (ms: number, wallJumpMs = 0) => {
      wallMs += ms + wallJumpMs;
      monotonicMs += ms;
    },
    /** Lets time pass with a heartbeat each 5 s. */
    pass(ms: number) {
      for (let left = ms; left > 0; left -= 5_000) {
        const step = Math.min(5_000, left);
        wallMs += step;
        monotonicMs += step;
        tick();
      }
    },
    /** What was told, in billionths. */
    billed: () => events.reduce((sum, { value }) => sum + billionths(value), 0n),
  };
}

function billionths(value: unknown): bigint {
  const parsed = parseDecimal(String(value));
  if (typeof parsed !== 'bigint') throw new Error(`${String(value)}: ${parsed}`);
  return parsed;
}

/** Small and fast, with a seed: a failure can be run again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test.each([1, 2, 3])('a month of random levels is billed exactly (seed %i)', (seed) => {
  const random = randomFrom(seed);
  const here = world({ slotMs: 300_000 });
  const gauge = here.gauges.open(GPU);
  let area = 0n;
  let level = 0n;
  let left = 31 * 24 * HOUR_MS;
  while (left > 0) {
    const step = Math.min(left, 1 + random(29_999));
    here.sleep(step);
    area += level * BigInt(step);
    left -= step;
    if (random(10) > 0) here.tick();
    else {
      level = BigInt(random(2 ** 31)) * BigInt(random(100_000));
      gauge.set(`${level / 1_000_000_000n}.${String(level % 1_000_000_000n).padStart(9, '0')}`);
    }
  }
  const rest = gauge.close().area;
  expect(here.billed() * BigInt(HOUR_MS) + rest).toBe(area);
  expect(rest).toBeLessThan(BigInt(HOUR_MS));
  expect(here.problems).toEqual([]);
  const starts = here.events.map(({ ts }) => Number(ts));
  expect(new Set(here.events.map(({ id }) => id)).size).toBe(here.events.length);
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
  // The first begins where the gauge did; each other at a slot, and slots divide hours.
  expect(starts.slice(1).every((ts) => ts % 300_000 === 0)).toBe(true);
});

test('each hour gets its own usage to the billionth', () => {
  const here = world();
  const gauge = here.gauges.open({ ...GPU, metric: 'byte_hours' });
  here.pass(HOUR_MS - (START % HOUR_MS));
  gauge.set('0.333333333');
  here.pass(3 * HOUR_MS);
  gauge.close();
  const hours = Map.groupBy(here.events, ({ ts }) => Math.floor(Number(ts) / HOUR_MS));
  expect(
    [...hours.values()].map((events) => events.reduce((sum, { value }) => sum + billionths(value), 0n)),
  ).toEqual([333_333_333n, 333_333_333n, 333_333_333n]);
});

test('a holder that reports no more is billed to its last heartbeat', () => {
  const here = world();
  const gauge = here.gauges.open({ ...GPU, renewedBy: 'holder' });
  gauge.set(1);
  for (let beats = 0; beats < 6; beats++) {
    here.pass(20_000);
    gauge.beat();
  }
  here.pass(10 * HOUR_MS);
  expect(here.billed() * BigInt(HOUR_MS) + gauge.close().area).toBe(120_000n * 1_000_000_000n);
  expect(here.problems.map((problem) => problem.kind)).toEqual(['time_not_billed']);
});

test('a process that was frozen is billed to its last heartbeat, and from its next', () => {
  const here = world();
  const gauge = here.gauges.open(GPU);
  gauge.set(1);
  here.pass(100_000);
  here.sleep(8 * HOUR_MS);
  here.tick();
  here.pass(50_000);
  const { area } = gauge.close();
  expect(here.billed() * BigInt(HOUR_MS) + area).toBe(150_000n * 1_000_000_000n);
  expect(here.problems.map((problem) => problem.kind)).toEqual(['time_not_billed']);
});

test.each([3 * HOUR_MS, 90_000, -90_000, -2_000])(
  'the wall clock is set by %i ms: the time that passed is billed',
  (jumpMs) => {
    const here = world();
    const gauge = here.gauges.open(GPU);
    gauge.set('2');
    here.pass(100_000);
    here.sleep(1_000, jumpMs);
    here.pass(200_000);
    const { area } = gauge.close();
    expect(here.billed() * BigInt(HOUR_MS) + area).toBe(2n * 301_000n * 1_000_000_000n);
    expect(new Set(here.events.map(({ id }) => id)).size).toBe(here.events.length);
    expect(here.problems).toEqual([]);
  },
);

test('two that observe the same under one name tell the same events; after a restart there are others', () => {
  const told = [0, 1].map(() => {
    const here = world();
    here.gauges.open({ ...GPU, read: () => '1.5' });
    here.pass(HOUR_MS);
    here.gauges.close();
    return here.events;
  });
  expect(told[0]).toEqual(told[1]);
  expect(told[0]?.length).toBeGreaterThan(60);
  const here = world();
  here.gauges.open(GPU).set(1);
  here.pass(20_000);
  here.gauges.close();
  here.sleep(1_000);
  const again = world();
  again.sleep(21_000);
  again.gauges.open(GPU).set(1);
  again.pass(20_000);
  again.gauges.close();
  const ids = [...here.events, ...again.events].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('what the meter does not take is given to it again, within a bound; levels that are none are told', () => {
  const taken: UsageEventInput[] = [];
  let full = true;
  const here = world({ meter: { add: (event) => !full && taken.push(event) > 0 } });
  const gauge = here.gauges.open(GPU);
  gauge.set(1);
  here.pass(10 * 60_000);
  full = false;
  here.tick();
  const { area } = gauge.close();
  const sum = taken.reduce((total, { value }) => total + billionths(value), 0n);
  expect(sum * BigInt(HOUR_MS) + area).toBe(600_000n * 1_000_000_000n);
  const other = here.gauges.open({ ...GPU, name: 'other' });
  for (const level of [Number.NaN, '-1', 'x', 0.1 + 0.2]) other.set(level);
  expect(here.problems.map((problem) => problem.kind)).toEqual(Array(4).fill('function_failed'));
});

test('an open gauge does not keep its process alive', () => {
  const code = `import { createGauges } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
    createGauges({ meter: { add: () => true } }).open({ name: 'a', tenantId: 'a', metric: 'a' }).set(1);`;
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { timeout: 30_000 });
  expect([run.status, run.stderr.toString()]).toEqual([0, '']);
});
