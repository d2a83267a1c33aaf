/** How a command ends. */

/** 0: done. 1: it failed, or what was compared is not equal. 2: it was called wrongly. */
export type ExitCode = 0 | 1 | 2;

/** The command line cannot be what was meant: exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** The work could not be done: exit code 1. `next` says what a person can do about it. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly next: string | null;

  constructor(message: string, next: string | null = null, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.next = next;
  }
}
