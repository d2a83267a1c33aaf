/** What a command gets to work with. */
import type { Stores } from './connect/stores.ts';
import type { ExitCode } from './exit.ts';
import type { Output } from './output/output.ts';
import type { System } from './system/system.ts';

export interface Context {
  readonly out: Output;
  /** What there is to be asked, through the stores or through the API. */
  readonly system: System;
  /** For what only the stores can do. @throws UsageError where the command line names an API */
  readonly stores: Stores;
  /** Epoch ms. */
  readonly now: () => number;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Runs a command's work with what the global options say; every store is closed afterwards. */
export type Run = (work: (context: Context) => Promise<ExitCode>) => Promise<void>;
