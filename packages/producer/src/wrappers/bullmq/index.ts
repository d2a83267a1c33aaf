/** `new Worker(queue, meterProcessor(processor, options), …)` */
import type { Job } from 'bullmq';
import { meterMessages, type MessageIdentity, type MessageUsageOptions } from '../messages/message-usage.ts';
import type { ProblemCounts } from '../problems.ts';

export { UsageNotRecordedError, type MessageUsage } from '../messages/message-usage.ts';

/** What of a job makes its identity. */
type IdentifiedJob = Pick<Job, 'id' | 'queueQualifiedName' | 'timestamp' | 'attemptsMade'>;

export interface JobUsageOptions<OneJob, Result> extends MessageUsageOptions<OneJob, Result> {
  /**
   * `once` (default): a job counts once, however many attempts it takes. `each`: every attempt that
   * ends counts; one that is done again because its worker stalled is the same attempt.
   */
  readonly attempts?: 'once' | 'each';
}

/**
 * A processor that does what the given one does; the job is completed when its usage is recorded.
 * Its time is the job's creation; give `timestamp` for jobs that wait for weeks.
 */
export function meterProcessor<OneJob extends IdentifiedJob, Result, Rest extends readonly unknown[]>(
  processor: (job: OneJob, ...rest: Rest) => Promise<Result>,
  options: JobUsageOptions<OneJob, Result>,
): ((job: OneJob, ...rest: Rest) => Promise<Result>) & { readonly problems: () => ProblemCounts } {
  const each = options.attempts === 'each';
  const metering = meterMessages('bullmq', options, (job: OneJob) => identityOf(job, each));
  const metered = async (job: OneJob, ...rest: Rest): Promise<Result> => {
    let result: Result;
    try {
      result = await processor(job, ...rest);
    } catch (error) {
      // It is told already if that cannot be recorded; what the processor failed with is what counts here.
      if (!movesJob(error)) await metering.failed(job).catch(() => undefined);
      throw error;
    }
    await metering.handled(job, result);
    return result;
  };
  return Object.assign(metered, { problems: () => metering.problems.counts() });
}

/** Processors throw these to wait, not because they failed; BullMQ goes by their names too. */
const MOVES: ReadonlySet<string> = new Set([
  'DelayedError',
  'WaitingError',
  'WaitingChildrenError',
  'RateLimitError',
]);

function movesJob(error: unknown): boolean {
  return error instanceof Error && MOVES.has(error.name);
}

/** Ids of jobs begin anew when a queue is emptied; with the time of creation they do not repeat. */
function identityOf(job: IdentifiedJob, each: boolean): MessageIdentity | null {
  if (job.id === undefined || !(job.timestamp > 0)) return null;
  const attempt = each ? `:${job.attemptsMade}` : '';
  return { id: `${job.queueQualifiedName}:${job.id}:${job.timestamp}${attempt}`, ts: job.timestamp };
}
