/** What became of each alert, as a table for people. */
import { markdownTable } from '../../docs/markdown-table.ts';
import { NOT_PROVOKED } from './rounds.ts';
import { seconds, type AlertOutcome } from './run-fault.ts';

export function outcomeTable(outcomes: readonly AlertOutcome[]): string {
  return markdownTable(
    ['alert', 'broken how', 'fired after', 'put right by', 'resolved after'],
    outcomes.map(({ alert, fault, firedAfterMs, clearedAfterMs }) => [
      `\`${alert}\``,
      fault.broken,
      seconds(firedAfterMs),
      fault.mended,
      seconds(clearedAfterMs),
    ]),
  );
}

export function notProvokedLines(): readonly string[] {
  return Object.entries(NOT_PROVOKED).map(([alert, why]) => `- \`${alert}\`: ${why}`);
}

export function failures(outcomes: readonly AlertOutcome[]): readonly AlertOutcome[] {
  return outcomes.filter(
    ({ firedAfterMs, clearedAfterMs }) => firedAfterMs === null || clearedAfterMs === null,
  );
}
