/** Where the answers come from: one point of one tenant's subtree, and how far counting is there. */
import type { TenantScope } from '@meterhouse/postgres/access';
import {
  asOf,
  errorCode,
  readUsagePoint,
  type AsOf,
  type LogEnds,
  type PoolClient,
  type UsagePoint,
} from '@meterhouse/postgres';
import type { PolicyView } from '@meterhouse/quota';
import { ApiProblem } from '../../http/problem.ts';
import type { Stores } from '../../stores.ts';

export interface UsageSource {
  readonly scoped: Stores['scoped'];
  /** The topic that usage is counted from. */
  readonly topic: string;
  /** How far its log goes; null while Kafka cannot be asked. */
  readonly logEnds: () => Promise<LogEnds | null>;
  /** The registry as decisions go by it: the limits that are shown are those that are enforced. */
  readonly policy: PolicyView;
  /** Epoch ms. */
  readonly now: () => number;
}

export interface UsageParts {
  readonly usageSource: UsageSource;
}

export interface Standing {
  readonly asOf: AsOf;
  /** As long as it is equal, so is every number. */
  readonly evidence: readonly unknown[];
}

/** Longer than this nobody waits; the database has others to serve. */
const MAX_READING_MS = 20_000;
const QUERY_CANCELED = '57014';

/**
 * Runs work in one repeatable-read transaction in which nothing but the tenant's subtree can be seen:
 * numbers and as-of are of one point, so the one promises no more than the other holds.
 * @throws ApiProblem `refused` where it takes too long
 */
export async function atOnePoint<T>(
  { scoped, topic, logEnds }: UsageSource,
  scope: TenantScope,
  read: (db: PoolClient, standing: Standing) => Promise<T>,
): Promise<T> {
  const ends = await logEnds();
  try {
    return await scoped(
      scope,
      async (db) => {
        await db.query(`SET LOCAL statement_timeout = ${MAX_READING_MS}`);
        const point = await readUsagePoint(db);
        return read(db, { asOf: asOf(topic, point.progress, ends), evidence: evidenceOf(point, ends) });
      },
      'repeatable read',
    );
  } catch (error) {
    if (errorCode(error) !== QUERY_CANCELED) throw error;
    throw new ApiProblem(
      'refused',
      `This takes more than ${MAX_READING_MS / 1_000} s: ask for a shorter span, fewer metrics or no descendants.`,
      { cause: error },
    );
  }
}

function evidenceOf({ registryVersion, progress }: UsagePoint, ends: LogEnds | null): readonly unknown[] {
  return [registryVersion, progress, ends === null ? null : [...ends]];
}
