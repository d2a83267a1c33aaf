/** What the log says of flushes: each at level debug, and what went into quarantine, at most once a second. */
import type { FlushResult, SettledRecords } from '@meterhouse/postgres/flush';
import type { Logger } from '@meterhouse/runtime';

type Committed = Extract<FlushResult, { kind: 'committed' }>;

const TELL_EVERY_MS = 1_000;
/** Correlation ids in one line: enough to follow a case, whatever the batch. */
const MAX_IDS = 5;

interface Untold {
  readonly byReason: Map<string, number>;
  readonly first: object;
}

export class FlushLog {
  readonly #logger: Logger;
  #untold: Untold | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  flushed(partition: number, result: Committed): void {
    const { kind: _, settled, ...counts } = result;
    if (this.#logger.isLevelEnabled('debug'))
      this.#logger.debug({ partition, ...counts, correlationIds: correlationIds(settled) }, 'flushed');
    for (const { refusal, event, origin } of settled.quarantined) {
      this.#untold ??= {
        byReason: new Map(),
        first: {
          partition,
          offset: origin.offset.toString(),
          ...refusal,
          tenantId: event?.tenantId,
          eventId: event?.id,
          correlationId: event?.correlationId ?? undefined,
        },
      };
      const { byReason } = this.#untold;
      byReason.set(refusal.reason, (byReason.get(refusal.reason) ?? 0) + 1);
    }
    // A producer in a loop must not fill the log: what comes within the second is told together.
    if (this.#untold !== null) this.#timer ??= setTimeout(() => this.tell(), TELL_EVERY_MS).unref();
  }

  /** Says now what has not been said yet. */
  tell(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#untold === null) return;
    const { byReason, first } = this.#untold;
    this.#untold = null;
    this.#logger.warn({ reasons: Object.fromEntries(byReason), first }, 'events were put into quarantine');
  }
}

function correlationIds({ counted, quarantined }: SettledRecords): string[] {
  const found = new Set<string>();
  for (const { event } of [...quarantined, ...counted]) {
    if (event !== null && event.correlationId !== null) found.add(event.correlationId);
    if (found.size === MAX_IDS) break;
  }
  return [...found];
}
