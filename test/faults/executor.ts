/** Carries out a plan: a few faults at a time, never two on the same target. */
import { setTimeout as delay } from 'node:timers/promises';
import { within } from './deadline.ts';
import { holdsOf, land } from './kinds/index.ts';
import type { Fault, PlannedFault } from './plan/fault.ts';
import type { System } from './system.ts';

export interface LandedFault {
  readonly fault: Fault;
  /** Seconds since the faults began. */
  readonly atS: number;
  readonly target: string;
}

export interface Execution {
  readonly landed: readonly LandedFault[];
  /** Faults that never came to land, and why. */
  readonly missed: readonly string[];
}

const MAX_AT_ONCE = 3;
/** A broker's start on a busy machine takes most of a minute. */
const FAULT_MS = 150_000;

/**
 * @param stop ends the execution early: what is under way is finished, the rest is left out
 * @throws when something that was broken could not be put back
 */
export async function execute(
  system: System,
  plan: readonly PlannedFault[],
  stop: AbortSignal,
  say: (line: string) => void,
): Promise<Execution> {
  const landed: LandedFault[] = [];
  const missed: string[] = [];
  const held = new Set<string>();
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const began = performance.now();
  const elapsedS = (): number => (performance.now() - began) / 1000;

  const carryOut = async (fault: Fault): Promise<void> => {
    const onLanded = (target: string): void => {
      landed.push({ fault, atS: elapsedS(), target });
      say(`${elapsedS().toFixed(1).padStart(7)} s  ${fault.kind.padEnd(19)} ${target}`);
    };
    try {
      await within(FAULT_MS, `${fault.kind} to be over`, land(system, fault, onLanded));
    } catch (error) {
      // Before it landed nothing is broken, so nothing is lost but this one fault.
      if (landed.some((each) => each.fault === fault)) {
        failures.push(error);
        return;
      }
      missed.push(`${fault.kind}: ${error instanceof Error ? error.message : String(error)}`);
      say(`${elapsedS().toFixed(1).padStart(7)} s  ${fault.kind.padEnd(19)} did not land: ${missed.at(-1)}`);
    }
  };

  for (const { fault, afterMs } of plan) {
    await delay(afterMs, undefined, { signal: stop }).catch(() => undefined);
    const targets = holdsOf(fault);
    while (!stop.aborted && (underWay.size >= MAX_AT_ONCE || targets.some((target) => held.has(target))))
      await Promise.race(underWay);
    if (stop.aborted || failures.length > 0) break;
    for (const target of targets) held.add(target);
    const carrying = carryOut(fault).finally(() => {
      for (const target of targets) held.delete(target);
      underWay.delete(carrying);
    });
    underWay.add(carrying);
  }
  await Promise.all(underWay);
  if (failures.length > 0) throw new AggregateError(failures, 'what a fault broke could not be put back');
  return { landed, missed };
}
