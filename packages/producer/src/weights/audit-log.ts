/** Events that are logged by the class of their tenant, beside being metered or instead of it. */
import type { UsageEvent } from '@meterhouse/usage';
import { newTally } from '../counters.ts';
import { Delivery, type DeliveryLimits, type DeliveryPorts } from '../delivery.ts';
import { MeterError } from '../errors.ts';
import type { NotTaken } from '../outgoing.ts';
import type { Transport } from '../transport.ts';

export class AuditLog {
  readonly #delivery: Delivery;
  readonly #tally = newTally();
  #refused = 0;

  constructor(lines: Transport, limits: DeliveryLimits, ports: DeliveryPorts) {
    this.#delivery = new Delivery(lines, limits, this.#tally, ports);
  }

  /** Lines that are written. */
  get written(): number {
    return this.#tally.acknowledged;
  }

  /** Events that got no line: the log could not be written, or not fast enough. */
  get lost(): number {
    return this.#tally.failed + this.#tally.refused.too_large + this.#refused;
  }

  offer(event: UsageEvent, deadline: number, settle: (error: MeterError | null) => void): NotTaken | null {
    if (this.#delivery.offer({ event, deadline, settle })) return null;
    return {
      by: 'audit_log',
      room: () => this.#delivery.room(),
      refuse: () => {
        this.#refused += 1;
        const waiting = this.#delivery.buffer.size;
        return new MeterError('buffer_full', `${waiting} lines wait for the audit log already`, { event });
      },
    };
  }

  flush(): Promise<number> {
    return this.#delivery.flush();
  }

  close(deadlineMs: number): Promise<void> {
    return this.#delivery.close(deadlineMs);
  }
}
