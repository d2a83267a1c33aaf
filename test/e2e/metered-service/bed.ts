/** What a test of the example stands on: an adapter's configuration, and what came of it. */
import type { MeterConfiguration } from '@meterhouse/producer';

export interface Bed {
  readonly configuration: Omit<MeterConfiguration, 'source'>;
  /** What the adapter can, asserted by the same test. */
  readonly can: {
    readonly count: boolean;
    readonly readUsage: 'exact' | 'zero' | 'refuses';
    readonly check: 'decides' | 'allows';
  };
  /** Exact sums that were there before the test, by tenant and metric. */
  readonly before?: Readonly<Record<string, string>>;
  /** Resolves once all that was acknowledged is where it is to be. */
  readonly settled: () => Promise<void>;
  /** Exact sum by tenant and metric, as the platform has it. */
  readonly counted: () => Promise<Readonly<Record<string, string>>>;
}

/** @param folder of the test's own */
export type MakeBed = (folder: string) => Promise<Bed>;
