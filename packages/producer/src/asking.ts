/** The half of the meter that asks: usage so far, and whether work may begin. */
import { ReaderError, type Reader } from './adapter.ts';
import { abortable } from './abortable.ts';
import type { CheckAnswer, CheckQuestion } from './check.ts';
import { AskError } from './ask-error.ts';
import type { MeterPorts } from './meter.ts';
import { askedUsage, checkedQuestion } from './normalize-question.ts';
import { currentTenant } from './tenant-context.ts';
import type { Usage, UsageQuestionInput } from './usage-question.ts';

/** Who answers, with the name to say where nobody does. */
export interface Answering<Port extends 'readUsage' | 'check'> {
  readonly name: string;
  readonly reader: () => Promise<Pick<Reader, Port>>;
}

export interface AskingParts {
  readonly usage: Answering<'readUsage'>;
  readonly check: Answering<'check'>;
  readonly deadlineMs: number;
  readonly ports: Pick<MeterPorts, 'clock' | 'now' | 'newId'>;
}

export class Asking {
  readonly #parts: AskingParts;

  constructor(parts: AskingParts) {
    this.#parts = parts;
  }

  async getUsage(input: UsageQuestionInput): Promise<Usage> {
    const asked = askedUsage(input, currentTenant());
    const { name, reader } = this.#parts.usage;
    const startedAt = this.#parts.ports.clock();
    const reading = await this.#answered(async (signal) => {
      const { readUsage } = await reader();
      if (readUsage === null) throw unsupported(name, 'getUsage', 'usage.from');
      return readUsage(asked, signal);
    });
    const ageMs = Math.ceil(this.#parts.ports.clock() - startedAt);
    return {
      ...asked,
      ...reading,
      asOf: {
        completeThrough:
          reading.completeThrough === null ? null : new Date(reading.completeThrough).toISOString(),
        ageMs,
        origin: reading.origin,
        cache: 'off',
      },
    };
  }

  async check(input: CheckQuestion): Promise<CheckAnswer> {
    const { ports, check } = this.#parts;
    const question = checkedQuestion(input, currentTenant(), () => ports.newId(ports.now()));
    return this.#answered(async (signal) => {
      const port = (await check.reader()).check;
      if (port === null) throw unsupported(check.name, 'check', 'check.from');
      return port(question, signal);
    });
  }

  /** @throws AskError, whatever went wrong */
  async #answered<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = AbortSignal.timeout(this.#parts.deadlineMs);
    try {
      return await abortable(ask(deadline), deadline);
    } catch (error) {
      throw asAskError(error);
    }
  }
}

function unsupported(name: string, what: string, setting: string): AskError {
  return new AskError('unsupported', `${name} does not answer ${what}: name who does in ${setting}`);
}

function asAskError(error: unknown): AskError {
  if (error instanceof AskError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ReaderError && error.problem === 'refused')
    return new AskError('refused', message, { field: error.field, cause: error });
  return new AskError('unavailable', message, { cause: error });
}
