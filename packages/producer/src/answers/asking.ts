/** The half of the meter that asks: usage so far, and whether work may begin. */
import { ReaderError, type Reader } from '../adapter.ts';
import type { CheckAnswer, CheckQuestion } from '../check.ts';
import type { CheckOptions } from '../configuration/usage-options.ts';
import type { MeterPorts } from '../meter.ts';
import { currentTenant } from '../tenant-context.ts';
import type { Usage, UsageQuestionInput } from '../usage-question.ts';
import { AskError } from './ask-error.ts';
import { CachedUsage } from './cached-usage.ts';
import { askedUsage, checkedQuestion } from './normalize-question.ts';
import { Turns } from './turns.ts';
import type { UsageCache } from './usage-cache.ts';

/** Who answers, with the name to say where nobody does. */
export interface Answering {
  readonly name: string;
  readonly reader: () => Promise<Reader>;
}

type QuestionBounds = Pick<CheckOptions, 'deadlineMs' | 'concurrency' | 'waiting'>;

export interface AskingParts {
  readonly usage: Answering;
  readonly check: Answering;
  readonly cache: UsageCache | null;
  readonly bounds: { readonly usage: QuestionBounds; readonly check: QuestionBounds };
  readonly ports: Pick<MeterPorts, 'clock' | 'now' | 'newId'>;
}

export class Asking {
  readonly #parts: AskingParts;
  readonly #usage: CachedUsage;
  readonly #checkTurns: Turns;

  constructor(parts: AskingParts) {
    const { bounds, cache, ports, usage } = parts;
    this.#parts = parts;
    this.#checkTurns = new Turns(bounds.check.concurrency, bounds.check.waiting);
    this.#usage = new CachedUsage({
      origin: async () => {
        const { readUsage } = await usage.reader();
        if (readUsage === null) throw unsupported(usage.name, 'getUsage', 'usage.from');
        return readUsage;
      },
      cache,
      turns: new Turns(bounds.usage.concurrency, bounds.usage.waiting),
      deadlineMs: bounds.usage.deadlineMs,
      clock: ports.clock,
    });
  }

  async getUsage(input: UsageQuestionInput): Promise<Usage> {
    const asked = askedUsage(input, currentTenant());
    return this.#usage.read(asked).catch(rethrow);
  }

  async check(input: CheckQuestion): Promise<CheckAnswer> {
    const { ports, check, bounds } = this.#parts;
    const question = checkedQuestion(input, currentTenant(), () => ports.newId(ports.now()));
    const deadline = AbortSignal.timeout(bounds.check.deadlineMs);
    const answer = this.#checkTurns.run(async () => {
      const port = (await check.reader()).check;
      if (port === null) throw unsupported(check.name, 'check', 'check.from');
      return port(question, deadline);
    }, deadline);
    return answer.catch(rethrow);
  }
}

function unsupported(name: string, what: string, setting: string): AskError {
  return new AskError('unsupported', `${name} does not answer ${what}: name who does in ${setting}`);
}

function rethrow(error: unknown): never {
  if (error instanceof AskError) throw error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ReaderError && error.problem === 'refused')
    throw new AskError('refused', message, { field: error.field, cause: error });
  throw new AskError('unavailable', message, { cause: error });
}
