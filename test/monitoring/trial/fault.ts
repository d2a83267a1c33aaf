/** Something that is broken for real, the alerts that must tell of it, and what the runbook says to do. */
import type { TrialBed } from './bed.ts';

export interface Fault {
  readonly name: string;
  readonly alerts: readonly string[];
  /** How it is broken, and how it is put right, in words for the report. */
  readonly broken: string;
  readonly mended: string;
  readonly break: (bed: TrialBed) => Promise<void>;
  /** Again and again until all of its alerts have fired. */
  readonly keepBroken?: (bed: TrialBed) => Promise<void>;
  readonly mend: (bed: TrialBed) => Promise<void>;
  /** Again and again until they are resolved. */
  readonly keepMended?: (bed: TrialBed) => Promise<void>;
}

/** @returns a thing that the fault's parts hand to each other: made by breaking, used by mending */
export function handedOn<T>(what: string): { set(value: T): void; get(): T } {
  let held: { readonly value: T } | null = null;
  return {
    set: (value) => (held = { value }),
    get: () => {
      if (held === null) throw new Error(`${what} is not there: nothing was broken`);
      return held.value;
    },
  };
}
