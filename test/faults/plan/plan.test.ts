/**
 * Guarantees:
 *  - the same seed plans the same faults, another seed others
 *  - every kind occurs, and every step of the flush is struck, in the shortest plan already
 *  - the first nine strikes hit each step once; 36 hit each step in each way
 *  - a worker is frozen for longer than its session lasts
 */
import { FLUSH_STEPS } from '@meterhouse/postgres/flush';
import { expect, test } from 'vitest';
import type { Fault } from './fault.ts';
import { FAULT_KINDS, LEAST_FAULTS, planFaults } from './plan.ts';

const SESSION_MS = 3_000;

function faultsOf(seed: string, count: number): Fault[] {
  return planFaults(seed, count).map(({ fault }) => fault);
}

function strikesOf(faults: readonly Fault[]): Extract<Fault, { kind: 'failpoint' }>[] {
  return faults.filter((fault) => fault.kind === 'failpoint');
}

test('a seed is a plan', () => {
  expect(planFaults('a', 80)).toEqual(planFaults('a', 80));
  expect(planFaults('a', 80)).not.toEqual(planFaults('b', 80));
});

test.each(['a', 'b', 'c', 'd', 'e'])(
  'every kind and every step occurs in the shortest plan: seed %s',
  (seed) => {
    const faults = faultsOf(seed, LEAST_FAULTS);
    expect(faults).toHaveLength(LEAST_FAULTS);
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
    expect(new Set(strikesOf(faults).map(({ step }) => step))).toEqual(new Set(FLUSH_STEPS));
  },
);

test('a long plan strikes at every step in every way', () => {
  const strikes = strikesOf(faultsOf('long', 500));
  for (const step of FLUSH_STEPS) {
    const actions = new Set(strikes.filter((strike) => strike.step === step).map(({ action }) => action));
    for (const action of ['kill', 'terminate', 'freeze', 'delay'] as const) expect(actions).toContain(action);
  }
  expect(strikes.some(({ action }) => action === 'lose_answer')).toBe(true);
});

test('whoever is frozen misses its session', () => {
  for (const fault of faultsOf('frozen', 500)) {
    const isFrozen =
      fault.kind === 'worker_frozen' || (fault.kind === 'failpoint' && fault.action === 'freeze');
    if (isFrozen) expect(fault.durationMs).toBeGreaterThan(SESSION_MS);
  }
});

test('too few faults for all kinds are refused', () => {
  expect(() => planFaults('a', LEAST_FAULTS - 1)).toThrow(RangeError);
});
