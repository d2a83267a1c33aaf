/** The span of each batch of snapshots: it goes back to the flushes that it makes known. */
import { beginPassingOn, type FlushTrace } from '@meterhouse/postgres';
import type { BeginSpan, Span } from '@meterhouse/runtime/tracing';

/** More than a span links to, so that it can say that there were more. */
const MAX_WAITING = 64;

export interface PublicationSpan {
  published(): void;
  /** The batch's flushes wait for the next. */
  failed(error: unknown): void;
}

export class PublicationTraces {
  readonly #beginSpan: BeginSpan;
  readonly #topic: string;
  #waiting: FlushTrace[] = [];

  /** @param topic of the snapshots */
  constructor(beginSpan: BeginSpan, topic: string) {
    this.#topic = topic;
    this.#beginSpan = beginSpan;
  }

  /** Usage has changed by these flushes, and is to be published. */
  applied(flushes: readonly FlushTrace[]): void {
    this.#waiting.push(...flushes.slice(0, MAX_WAITING - this.#waiting.length));
  }

  /** @returns null where no traced flush waits */
  begin(messages: number): PublicationSpan | null {
    if (this.#waiting.length === 0) return null;
    const flushes = this.#waiting;
    this.#waiting = [];
    const span: Span = beginPassingOn(this.#beginSpan, 'snapshots.publish', flushes, {
      'messaging.system': 'kafka',
      'messaging.destination.name': this.#topic,
      'messaging.batch.message_count': messages,
    });
    return {
      published: () => span.end(),
      failed: (error) => {
        span.end({}, { error });
        this.applied(flushes);
      },
    };
  }
}
