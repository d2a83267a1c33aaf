/** What is said about one part, and how bad it is. */

/**
 * `note`: worth knowing, nothing to do. `behind`: it moves, and is late; somebody should look if it stays so.
 * `person`: it does not get better by itself.
 */
export type State = 'ok' | 'note' | 'behind' | 'person';

export interface Line {
  readonly part: string;
  readonly state: State;
  readonly says: string;
  /** The next command, or the runbook's file; null: nothing to do. */
  readonly next: string | null;
}

export const ok = (part: string, says: string): Line => ({ part, state: 'ok', says, next: null });
export const note = (part: string, says: string, next: string | null = null): Line => ({
  part,
  state: 'note',
  says,
  next,
});
export const behind = (part: string, says: string, next: string): Line => ({
  part,
  state: 'behind',
  says,
  next,
});
export const person = (part: string, says: string, next: string): Line => ({
  part,
  state: 'person',
  says,
  next,
});

export const RUNBOOKS = [
  'clickhouse-mirror-behind',
  'decisions-behind',
  'lag-growing',
  'partition-halted',
  'quarantine-growing',
  'service-away',
  'snapshots-behind',
  'webhooks-failing',
] as const;

export function runbook(name: (typeof RUNBOOKS)[number]): string {
  return `docs/runbooks/${name}.md`;
}
