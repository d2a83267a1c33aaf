/** The command line of a fault run. */
import { parseArgs } from 'node:util';
import { LEAST_FAULTS } from './plan/plan.ts';

export interface Options {
  readonly seed: string;
  /** Faults that must have landed. */
  readonly faults: number;
  /** Distinct events that must have been acknowledged. */
  readonly events: number;
  /** No fault begins after this; the run ends within some minutes more. */
  readonly minutesMax: number;
  /** Where the summary goes as JSON; null for nowhere. */
  readonly json: string | null;
}

export const USAGE = `npm run test:faults -- [--short] [--seed TEXT] [--faults N] [--events N] [--minutes-max N] [--json FILE]`;

/** What the command line can be told is wrong with it. */
export class UsageError extends Error {}

const LONG = { faults: 500, events: 1_000_000, minutesMax: 60 };
const SHORT = { faults: 60, events: 100_000, minutesMax: 6 };

/** @param newSeed for a run that names none */
export function parseOptions(args: readonly string[], newSeed: () => string): Options {
  const { values } = readArgs(args);
  const form = values.short === true ? SHORT : LONG;
  return {
    seed: values.seed ?? newSeed(),
    faults: wholeNumber('--faults', values.faults, form.faults, LEAST_FAULTS),
    events: wholeNumber('--events', values.events, form.events, 1),
    minutesMax: wholeNumber('--minutes-max', values['minutes-max'], form.minutesMax, 1),
    json: values.json ?? null,
  };
}

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        short: { type: 'boolean' },
        seed: { type: 'string' },
        faults: { type: 'string' },
        events: { type: 'string' },
        'minutes-max': { type: 'string' },
        json: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function wholeNumber(name: string, text: string | undefined, otherwise: number, least: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least)
    throw new UsageError(`${name} must be a whole number from ${least}`);
  return value;
}
