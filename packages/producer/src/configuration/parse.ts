/** From what is written to what a meter is made of; every problem at once. */
import { ConfigError } from '@meterhouse/runtime';
import type * as z from 'zod';
import type { Adapter } from '../adapter.ts';
import type { AnyConfiguration } from '../create-meter.ts';
import { meterOptions, type MeterOptions } from './schema.ts';

export interface ParsedConfiguration {
  readonly options: MeterOptions;
  /** The service's own, in place of the one that the options name. */
  readonly adapter: Adapter | null;
}

/** @throws ConfigError */
export function parseConfiguration(given: AnyConfiguration): ParsedConfiguration {
  if (typeof given.adapter === 'string') return { options: parsed(given), adapter: null };
  const { adapter, ...rest } = given;
  return { options: parsed({ ...rest, adapter: 'noop' }), adapter };
}

/** A chosen part without a section is one with nothing in it, so that what it lacks is told by name. */
function parsed(given: object): MeterOptions {
  const tree: Record<string, unknown> = { ...given };
  const name = tree['adapter'];
  if (typeof name === 'string') tree[name] ??= {};
  const outcome = meterOptions().safeParse(tree);
  if (outcome.success) return outcome.data;
  throw new ConfigError(outcome.error.issues.flatMap(described));
}

function described(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${[...path, key].join('.')}: is not an option`);
  return [`${path.join('.')}: ${issue.message}`];
}
