/** The half of the meter that takes events: checks each once, buffers it, and brings it to the transport. */
import type { UsageEvent } from '@meterhouse/usage';
import { ignore } from '@meterhouse/runtime';
import type { Logger } from 'pino';
import type { Bounds } from './configuration/bounds.ts';
import { newTally, type MeterCounters } from './counters.ts';
import { Delivery, type DeliveryLimits } from './delivery.ts';
import { MeterError } from './errors.ts';
import type { UsageEventInput } from './event-input.ts';
import { inTime } from './in-time.ts';
import type { Meter, MeterPorts } from './meter.ts';
import { isInputRefusal, normalizeEvent, type EventDefaults, type InputRefusal } from './normalize.ts';
import { inMemory, type NotTaken, type Outgoing, type Room } from './outgoing.ts';
import { recordAll } from './record-many.ts';
import { createReporter, type OnRefused } from './reporting.ts';
import type { SpoolSettings } from './spool/options.ts';
import { Spool } from './spool/spool.ts';
import type { SumsSettings } from './sums/options.ts';
import { eventsOf, unsummable, type SummableUsage } from './sums/summable.ts';
import { Summing } from './sums/summing.ts';
import { currentTenant } from './tenant-context.ts';
import { rememberContext } from './traces.ts';
import type { Transport } from './transport.ts';
import type { AuditLog } from './weights/audit-log.ts';
import type { Weight } from './weights/tenant-weights.ts';

export interface RecordingParts {
  readonly source: string;
  /** Null: events go nowhere. */
  readonly transport: Transport | null;
  readonly bounds: Bounds;
  /** Null: what waits, waits in memory. */
  readonly spool: SpoolSettings | null;
  /** Null: nothing is added up before it goes out. */
  readonly sums: SumsSettings | null;
  readonly ports: MeterPorts;
  readonly logger: Logger;
  readonly onRefused: OnRefused | undefined;
  /** What becomes of events by their tenant's class; null: all are metered. */
  readonly weights: { of(tenantId: string): Weight } | null;
  /** Where lines of audited events go; null where no class asks for one. */
  readonly openAuditLog: (limits: DeliveryLimits) => AuditLog | null;
}

type Settle = (error: MeterError | null) => void;

export class Recording implements Pick<
  Meter,
  'record' | 'add' | 'addUp' | 'recordMany' | 'flush' | 'counters'
> {
  readonly #transport: Transport | null;
  readonly #outgoing: Outgoing | null;
  readonly #spool: Spool | null;
  readonly #waitsForRoom: boolean;
  readonly #summing: Summing | null;
  readonly #weights: RecordingParts['weights'];
  readonly #audit: AuditLog | null;
  readonly #defaults: EventDefaults;
  readonly #ports: MeterPorts;
  readonly #deliveryMs: number;
  readonly #report: Settle;
  readonly #tally = newTally();
  #closed: Promise<MeterCounters> | null = null;

  constructor(parts: RecordingParts) {
    const { source, transport, bounds, spool, ports, logger, onRefused } = parts;
    this.#transport = transport;
    this.#weights = parts.weights;
    this.#ports = ports;
    this.#deliveryMs = bounds.deliveryMs;
    this.#defaults = { source, now: ports.now, newId: ports.newId, context: currentTenant };
    const report = createReporter(logger, onRefused);
    this.#report = (error) => {
      if (error !== null) report(error);
    };
    const limits = {
      buffer: { maxEvents: bounds.bufferEvents, maxBytes: bounds.bufferBytes },
      batch: { maxEvents: bounds.batchEvents, maxBytes: bounds.batchBytes },
      lingerMs: bounds.lingerMs,
      attemptMs: bounds.attemptMs,
    };
    const { clock, random } = ports;
    this.#spool =
      transport === null || spool === null
        ? null
        : new Spool(transport, { ...spool, ...limits }, this.#tally, {
            ...{ ...ports, logger, onSetAside: report },
            newName: () => ports.newId(ports.now()),
          });
    this.#waitsForRoom = spool?.atBound === 'wait';
    this.#outgoing =
      transport === null
        ? null
        : (this.#spool ?? inMemory(new Delivery(transport, limits, this.#tally, { clock, random, logger })));
    this.#audit = parts.openAuditLog(limits);
    this.#summing =
      parts.sums === null
        ? null
        : new Summing(parts.sums, {
            ...{ now: ports.now, newId: ports.newId, context: currentTenant },
            admit: (input) => this.#admit(input),
            take: (event) => this.#takeSum(event),
            lost: (error) => {
              if (error.code === 'buffer_full') this.#tally.refused.buffer_full += 1;
              report(error);
            },
          });
  }

  get isClosed(): boolean {
    return this.#closed !== null;
  }

  record(input: UsageEventInput): Promise<{ readonly id: string }> {
    return new Promise((resolve, reject) => {
      if (this.#discards()) {
        resolve({ id: input.id ?? this.#ports.newId(this.#ports.now()) });
        return;
      }
      const event = this.#admit(input);
      if (event instanceof MeterError) {
        reject(event);
        return;
      }
      const settle: Settle = (error) => {
        if (error === null) resolve({ id: event.id });
        else reject(error);
      };
      const deadline = this.#ports.clock() + this.#deliveryMs;
      const notTaken = this.#offer(event, deadline, settle);
      if (notTaken === null) return;
      if (this.#waitsForRoom) void this.#offerAgain(event, deadline, settle, notTaken);
      else reject(notTaken.refuse());
    });
  }

  /** Until it is taken, or there is no room by its deadline. */
  async #offerAgain(event: UsageEvent, deadline: number, settle: Settle, notTaken: NotTaken): Promise<void> {
    let last: NotTaken | null = notTaken;
    while (last !== null) {
      if (last.room === null || !(await this.#inTime(last.room, deadline))) {
        settle(last.refuse());
        return;
      }
      last = this.#offer(event, deadline, settle);
    }
  }

  #inTime(room: Room, deadline: number): Promise<boolean> {
    return inTime(room(), deadline - this.#ports.clock());
  }

  add(input: UsageEventInput): boolean {
    if (this.#discards()) return true;
    const event = this.#admit(input);
    const refused =
      event instanceof MeterError
        ? event
        : this.#offer(event, Number.POSITIVE_INFINITY, this.#report)?.refuse();
    if (refused === undefined) return true;
    this.#report(refused);
    return false;
  }

  addUp(usage: SummableUsage): boolean {
    if (this.#discards()) return true;
    const wrong = unsummable(usage);
    if (wrong !== null) {
      this.#report(this.#refuse(wrong));
      return false;
    }
    if (this.#closed === null && this.#summing !== null) return this.#summing.add(usage);
    return eventsOf(usage)
      .map((event) => this.add(event))
      .every((taken) => taken);
  }

  recordMany(...[events, onOutcome]: Parameters<Meter['recordMany']>): ReturnType<Meter['recordMany']> {
    return recordAll(events, onOutcome, {
      admit: (input) => this.#admit(input),
      offer: (event, settle) => this.#offer(event, this.#ports.clock() + this.#deliveryMs, settle),
    });
  }

  async flush(): Promise<void> {
    // At once where there is room: what comes after the call is not waited for.
    if (this.#summing?.send() === false) await this.#summing.sendWhenRoom();
    const counts = await Promise.all([this.#outgoing?.flush() ?? 0, this.#audit?.flush() ?? 0]);
    const failed = counts[0] + counts[1];
    if (failed > 0) throw new MeterError('not_acknowledged', `${failed} usage events were not acknowledged`);
  }

  /** Delivers what it can within the deadline, and closes the transport. */
  close(deadlineMs: number): Promise<MeterCounters> {
    this.#closed ??= this.#end(this.#ports.clock() + deadlineMs);
    return this.#closed;
  }

  async #end(deadline: number): Promise<MeterCounters> {
    await this.#summing?.close((room) => this.#inTime(room, deadline));
    const leftMs = Math.max(0, deadline - this.#ports.clock());
    await Promise.all([this.#outgoing?.close(leftMs), this.#audit?.close(leftMs)]);
    return this.counters();
  }

  counters(): MeterCounters {
    const waiting = this.#outgoing?.waiting();
    return {
      ...this.#tally,
      refused: { ...this.#tally.refused },
      buffered: waiting?.events ?? 0,
      sums: this.#summing?.size ?? 0,
      bufferedBytes: waiting?.bytes ?? 0,
      audited: this.#audit?.written ?? 0,
      auditLost: this.#audit?.lost ?? 0,
      producersRemade: this.#transport?.remakes() ?? 0,
      spool: this.#spool?.counters() ?? null,
    };
  }

  /** Whether there is nothing to be done with an event, not even to look at it. */
  #discards(): boolean {
    if (this.#outgoing !== null || this.#weights !== null || this.#closed !== null) return false;
    this.#tally.discarded += 1;
    return true;
  }

  /** The event, or why it is not taken; counted. */
  #admit(input: UsageEventInput): UsageEvent | MeterError {
    if (this.#closed !== null) return this.#countClosed();
    const event = normalizeEvent(input, this.#defaults);
    return isInputRefusal(event) ? this.#refuse(event) : event;
  }

  #refuse(refusal: InputRefusal): MeterError {
    this.#tally.refused[refusal.reason] += 1;
    return new MeterError('refused', `${refusal.field}: ${refusal.detail}`, refusal);
  }

  #offer(event: UsageEvent, deadline: number, settle: Settle): NotTaken | null {
    if (this.#closed === null) return this.#take(event, deadline, settle);
    return { by: 'meter', room: null, refuse: () => this.#countClosed() };
  }

  #take(event: UsageEvent, deadline: number, settle: Settle): NotTaken | null {
    const weight = this.#weights === null ? 'meter' : this.#weights.of(event.tenantId);
    if (weight === 'audit') return this.#audit?.offer(event, deadline, settle) ?? null;
    const notTaken = weight === 'off' ? this.#discard(settle) : this.#meter(event, deadline, settle);
    // Once, however often it is offered; without a line it is metered all the same.
    if (notTaken === null && weight === 'meter_and_audit')
      this.#audit?.offer(event, deadline, ignore)?.refuse();
    return notTaken;
  }

  #discard(settle: Settle): null {
    this.#tally.discarded += 1;
    settle(null);
    return null;
  }

  #meter(event: UsageEvent, deadline: number, settle: Settle): NotTaken | null {
    const outgoing = this.#outgoing;
    if (outgoing === null) return this.#discard(settle);
    rememberContext(event);
    const problem = outgoing.offer({ event, deadline, settle });
    if (problem === null) {
      this.#tally.accepted += 1;
      return null;
    }
    return {
      by: 'meter',
      room: problem === 'buffer_full' ? () => outgoing.room() : null,
      refuse: () => {
        this.#tally.refused[problem] += 1;
        const message =
          problem === 'buffer_full'
            ? `${outgoing.waiting().events} usage events wait already`
            : `usage event ${event.id} cannot be written to the spool`;
        return new MeterError(problem, message, { event });
      },
    };
  }

  /** A log that is full must not hold up what is metered: it waits for the meter's room only. */
  #takeSum(event: UsageEvent): Room | null {
    const notTaken = this.#take(event, Number.POSITIVE_INFINITY, this.#report);
    if (notTaken === null) return null;
    if (notTaken.by === 'meter' && notTaken.room !== null) return notTaken.room;
    this.#report(notTaken.refuse());
    return null;
  }

  #countClosed(): MeterError {
    this.#tally.refused.closed += 1;
    return new MeterError('closed', 'the meter is closed');
  }
}
