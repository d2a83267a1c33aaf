/**
 * `const gauges = createGauges({ meter })`, `const gpu = gauges.open({ name, tenantId, metric })`,
 * `gpu.set(1)` … `gpu.close()`: what is held over time, as usage in level × hours.
 */
import {
  decimalFromNumber,
  derivedUuid,
  EVENT_LIMITS,
  formatDecimal,
  HOUR_MS,
  parseDecimal,
  type Billionths,
} from '@meterhouse/usage';
import type { UsageEventInput } from '../../event-input.ts';
import type { WrapperOptions } from '../port.ts';
import { ask, createProblems, type ProblemCounts } from '../problems.ts';
import { LeasedGauge } from './gauge.ts';
import type { Interval } from './integral.ts';
import { createSteadyClock, type GaugeClocks } from './steady-clock.ts';
import { createUnsent } from './unsent.ts';

export type Level = string | number | bigint;

export interface GaugesOptions extends WrapperOptions {
  /** Usage is told in intervals of this; divides the hour; default 60,000. A crash loses at most so much. */
  readonly slotMs?: number;
  /** How long a level holds without a heartbeat; default 30,000. After that it ended at the last one. */
  readonly leaseMs?: number;
  /** How often the process vouches for its own gauges, and samples; default 5,000. */
  readonly heartbeatEveryMs?: number;
  /** Gauges that may be open; default 10,000. */
  readonly maxGauges?: number;
  readonly ports?: Partial<GaugePorts>;
}

export interface GaugePorts extends GaugeClocks {
  /** Calls back again and again without keeping the process alive; returns what ends it. */
  readonly every: (everyMs: number, work: () => void) => () => void;
}

export interface GaugeDescription {
  /**
   * Names what is measured, the same after a restart: with the interval's beginning it is the id of an
   * event. Two processes that measure the same under one name count it once.
   */
  readonly name: string;
  readonly tenantId: string;
  readonly metric: string;
  readonly attrs?: Readonly<Record<string, string>>;
  /** Samples the level at every heartbeat; it is held until the next. Null: not known, not billed. */
  readonly read?: () => Level | null;
  /**
   * `process` (default): the level holds while this process lives. `holder`: only while `beat` or `set`
   * is called in time, as by a worker that reports to this process.
   */
  readonly renewedBy?: 'process' | 'holder';
  /** What an earlier gauge of this name had left, from its `close`. */
  readonly area?: bigint;
}

export interface Gauge {
  /** The level from now on. Never throws: what is no decimal from 0 up is told, and nothing is billed until the next. */
  set(level: Level): void;
  /** The level is still what it was. */
  beat(): void;
  /**
   * Tells what is left, and ends.
   * @returns what was too little for a billionth of a unit, for the next gauge of this name
   */
  close(): { readonly area: bigint };
}

export interface Gauges {
  open(gauge: GaugeDescription): Gauge;
  /** Closes all, and tells what they have left. */
  close(): void;
  problems(): ProblemCounts;
}

interface OpenGauge {
  readonly description: GaugeDescription;
  readonly leased: LeasedGauge;
}

export function createGauges(options: GaugesOptions): Gauges {
  const { slotMs = 60_000, leaseMs = 30_000, heartbeatEveryMs = 5_000, maxGauges = 10_000 } = options;
  checkTimes(slotMs, leaseMs, heartbeatEveryMs);
  const problems = createProblems('gauge', options);
  const ports = { ...systemPorts, ...options.ports };
  const now = createSteadyClock(ports);
  const unsent = createUnsent(options.meter, problems);
  const open = new Set<OpenGauge>();

  const tell = ({ description }: OpenGauge, told: readonly Interval[]): void => {
    for (const interval of told) if (interval.value > 0n) unsent.send(eventOf(description, interval));
  };
  const beat = (gauge: OpenGauge): void => {
    const { told, unbilledMs } = gauge.leased.beat(now());
    tell(gauge, told);
    if (unbilledMs > 0)
      problems.report('time_not_billed', `${unbilledMs} ms of ${gauge.description.name} without a heartbeat`);
  };
  const set = (gauge: OpenGauge, level: Level | null): void => {
    beat(gauge);
    const billionths = level === null ? null : levelOf(level);
    if (billionths === 'invalid')
      problems.report(
        'function_failed',
        `${String(level).slice(0, 80)} is not a level of ${gauge.description.name}`,
      );
    gauge.leased.set(billionths === 'invalid' ? null : billionths);
  };
  const tick = (): void => {
    unsent.retry();
    for (const gauge of open) {
      const { read, renewedBy, name } = gauge.description;
      if (renewedBy === 'holder') {
        const { told, expired } = gauge.leased.expire(now());
        tell(gauge, told);
        if (expired) problems.report('time_not_billed', `the lease of ${name} has run out`);
      } else if (read === undefined) beat(gauge);
      else set(gauge, ask('read', read, problems));
    }
  };
  const stopTicking = ports.every(heartbeatEveryMs, tick);
  const end = (gauge: OpenGauge): { area: bigint } => {
    if (open.delete(gauge)) {
      // The holder vouches for it by ending it; if that comes too late, it ended before.
      beat(gauge);
      tell(gauge, gauge.leased.end());
    }
    return { area: gauge.leased.area };
  };

  return {
    open: (description) => {
      const leased = new LeasedGauge({ slotMs, leaseMs }, now(), description.area ?? 0n);
      const gauge: OpenGauge = { description, leased };
      if (open.size >= maxGauges)
        problems.report('not_taken', `more than ${maxGauges} gauges: one is not metered`);
      else open.add(gauge);
      const ifOpen = (work: () => void): void => {
        if (open.has(gauge)) work();
      };
      if (description.read !== undefined)
        ifOpen(() => set(gauge, ask('read', description.read ?? (() => null), problems)));
      return {
        set: (level) => ifOpen(() => set(gauge, level)),
        beat: () => ifOpen(() => beat(gauge)),
        close: () => end(gauge),
      };
    },
    close: () => {
      stopTicking();
      for (const gauge of [...open]) end(gauge);
      unsent.retry();
    },
    problems: () => problems.counts(),
  };
}

/** The same interval of the same gauge is the same event, whoever tells it. */
function eventOf(
  { name, tenantId, metric, attrs }: GaugeDescription,
  { fromMs, value }: Interval,
): UsageEventInput {
  const id = `gauge:${metric}:${name}:${fromMs}`;
  return {
    id: id.length <= EVENT_LIMITS.idLength && id.isWellFormed() ? id : derivedUuid(id),
    tenantId,
    metric,
    value: formatDecimal(value),
    ts: fromMs,
    attrs: attrs ?? {},
    attribution: null,
  };
}

function levelOf(level: Level): Billionths | 'invalid' {
  const text = typeof level === 'number' ? decimalFromNumber(level) : level.toString();
  const parsed = text === null ? 'not_a_decimal' : parseDecimal(text);
  return typeof parsed === 'bigint' && parsed >= 0n ? parsed : 'invalid';
}

function checkTimes(slotMs: number, leaseMs: number, heartbeatEveryMs: number): void {
  if (!Number.isInteger(slotMs) || slotMs < 1_000 || HOUR_MS % slotMs !== 0)
    throw new RangeError(`slotMs ${slotMs} must divide the hour, and be at least 1,000`);
  if (!(heartbeatEveryMs > 0) || !(leaseMs >= 2 * heartbeatEveryMs))
    throw new RangeError(`leaseMs ${leaseMs} must be at least twice heartbeatEveryMs ${heartbeatEveryMs}`);
}

const systemPorts: GaugePorts = {
  wallMs: Date.now,
  monotonicMs: () => performance.now(),
  every: (everyMs, work) => {
    const timer = setInterval(work, everyMs);
    timer.unref();
    return () => {
      clearInterval(timer);
    };
  },
};
