/** Registers what a file names, by the command that a person would use. */
import { z } from 'zod';
import { requireDone, type RunMeterhouse } from './meterhouse-command.ts';
import { counted } from './screen/words.ts';

const answer = z.object({ entries: z.array(z.object({ kind: z.string(), change: z.string() })) });

/** @returns what is registered now, in words */
export async function applyRegistry(meterhouse: RunMeterhouse, file: string): Promise<string> {
  const { entries } = answer.parse(requireDone(file, await meterhouse(['apply', '-f', file])));
  const of = (kind: string): number => entries.filter((entry) => entry.kind === kind).length;
  const isNew = entries.some(({ change }) => change !== 'unchanged');
  return `${counted(of('tenant'), 'tenant')} and ${counted(of('metric'), 'metric')} ${isNew ? 'registered' : 'are registered already'}`;
}
