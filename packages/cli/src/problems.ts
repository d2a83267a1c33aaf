/** Problems in what a person wrote, all at once, each with the path of where it stands. */
import type { z } from 'zod';
import { CommandError } from './exit.ts';

/** `metrics[0].scale: must be a whole number from 0 to 9`. */
export type Problem = string;

export class ProblemsError extends CommandError {
  override name = 'ProblemsError';
  readonly problems: readonly Problem[];

  constructor(what: string, problems: readonly Problem[]) {
    super(`${what}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** `['metrics', 0, 'scale']` as `metrics[0].scale`. */
function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += `${text === '' ? '' : '.'}${String(step)}`;
  }
  return text === '' ? '(the whole file)' : text;
}

export function problemsOf(error: z.ZodError): Problem[] {
  return error.issues.map((issue) => `${formatPath(issue.path)}: ${issue.message}`);
}
