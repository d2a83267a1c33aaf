/** Records a stream of events at the speed of the broker: what an import needs. */
import type { UsageEvent } from '@meterhouse/usage';
import { MeterError } from './errors.ts';
import type { UsageEventInput } from './event-input.ts';
import type { NotTaken } from './outgoing.ts';

export type ImportOutcome =
  | { readonly kind: 'acknowledged'; readonly event: UsageEvent }
  /** `refused`: not an event; `not_acknowledged`: record `error.event` again. */
  | { readonly kind: 'refused' | 'not_acknowledged'; readonly error: MeterError };

export interface ImportTotals {
  readonly acknowledged: number;
  readonly refused: number;
  readonly notAcknowledged: number;
}

export type OnOutcome = (index: number, outcome: ImportOutcome) => void;

interface ImportPorts {
  readonly admit: (input: UsageEventInput) => UsageEvent | MeterError;
  readonly offer: (event: UsageEvent, settle: (error: MeterError | null) => void) => NotTaken | null;
}

/**
 * Memory is bounded by the meter's buffer, however long the stream is. What `events` or `onOutcome`
 * throws ends it and is thrown on; events taken by then are delivered all the same.
 */
export async function recordAll(
  events: Iterable<UsageEventInput> | AsyncIterable<UsageEventInput>,
  onOutcome: OnOutcome | undefined,
  ports: ImportPorts,
): Promise<ImportTotals> {
  const run = new ImportRun(onOutcome);
  let index = 0;
  for await (const input of events) {
    const at = index++;
    const event = ports.admit(input);
    if (event instanceof MeterError) run.finish(at, failure(event));
    else await take(event, at, run, ports);
    run.throwIfBroken();
  }
  return run.end();
}

async function take(event: UsageEvent, at: number, run: ImportRun, ports: ImportPorts): Promise<void> {
  for (;;) {
    run.open += 1;
    const notTaken = ports.offer(event, (error) => {
      run.settle(at, error === null ? { kind: 'acknowledged', event } : failure(error));
    });
    if (notTaken === null) return;
    run.open -= 1;
    if (notTaken.room === null) {
      run.finish(at, failure(notTaken.refuse()));
      return;
    }
    await notTaken.room();
  }
}

/** Counts outcomes, and knows when the last event is settled. */
class ImportRun {
  /** Events offered and not settled. */
  open = 0;
  readonly #totals = { acknowledged: 0, refused: 0, notAcknowledged: 0 };
  readonly #onOutcome: OnOutcome | undefined;
  #onAllSettled: (() => void) | null = null;
  #broken: { readonly error: unknown } | null = null;

  constructor(onOutcome: OnOutcome | undefined) {
    this.#onOutcome = onOutcome;
  }

  settle(at: number, outcome: ImportOutcome): void {
    this.open -= 1;
    this.finish(at, outcome);
    if (this.open === 0) this.#onAllSettled?.();
  }

  finish(at: number, outcome: ImportOutcome): void {
    switch (outcome.kind) {
      case 'acknowledged':
        this.#totals.acknowledged += 1;
        break;
      case 'refused':
        this.#totals.refused += 1;
        break;
      case 'not_acknowledged':
        this.#totals.notAcknowledged += 1;
        break;
    }
    try {
      // Called from the middle of the delivery, which must go on whatever the callback does.
      if (this.#broken === null) this.#onOutcome?.(at, outcome);
    } catch (error) {
      this.#broken = { error };
    }
  }

  throwIfBroken(): void {
    if (this.#broken !== null) throw this.#broken.error;
  }

  async end(): Promise<ImportTotals> {
    if (this.open > 0) await new Promise<void>((resolve) => (this.#onAllSettled = resolve));
    this.throwIfBroken();
    return this.#totals;
  }
}

function failure(error: MeterError): ImportOutcome {
  return { kind: error.code === 'refused' ? 'refused' : 'not_acknowledged', error };
}
