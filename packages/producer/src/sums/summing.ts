/** The part of a meter that adds amounts up for a while before they go out as events. */
import { AsyncResource } from 'node:async_hooks';
import { formatDecimal, type UsageEvent } from '@meterhouse/usage';
import { MeterError } from '../errors.ts';
import type { UsageEventInput } from '../event-input.ts';
import { attributionOf } from '../normalize.ts';
import type { Room } from '../outgoing.ts';
import type { OpenContext } from '../tenant-context.ts';
import type { SumsSettings } from './options.ts';
import { RunningSums, type RunningSum } from './running-sums.ts';
import type { SummableUsage } from './summable.ts';

export interface SummingPorts {
  /** Epoch ms. */
  readonly now: () => number;
  readonly newId: (nowMs: number) => string;
  readonly context: () => OpenContext | undefined;
  /** The event that an amount would be, or why it is none; counted. */
  readonly admit: (input: UsageEventInput) => UsageEvent | MeterError;
  /** Takes an event, or tells of it as lost. @returns null; else it is to be offered again, when there is room */
  readonly take: (event: UsageEvent) => Room | null;
  /** Told of every amount, and of sums that found no room; counts `buffer_full`. */
  readonly lost: (error: MeterError) => void;
}

export class Summing {
  readonly #settings: SumsSettings;
  readonly #ports: SummingPorts;
  readonly #running = new RunningSums();
  /** Of nobody's context: a sum is of many requests, and of none of their traces. */
  readonly #send: () => Room | null;
  #timer: NodeJS.Timeout | null = null;

  constructor(settings: SumsSettings, ports: SummingPorts) {
    this.#settings = settings;
    this.#ports = ports;
    this.#send = AsyncResource.bind(() => {
      let room = null as Room | null;
      this.#running.drain((sum) => (room = this.#offer(sum)) === null);
      return room;
    });
  }

  /** How many sums are running. */
  get size(): number {
    return this.#running.size;
  }

  /** @returns whether all of it was taken; what was not is reported */
  add(usage: SummableUsage): boolean {
    const { amounts, attrs } = usage;
    const ts = this.#ports.now();
    const context =
      usage.tenantId === undefined || usage.attribution === undefined ? this.#ports.context() : undefined;
    const tenantId = usage.tenantId ?? context?.tenantId ?? '';
    const attribution =
      usage.attribution === undefined ? attributionOf(context, tenantId) : usage.attribution;
    return this.#running.add({ tenantId, attrs, attribution }, amounts, ts, (metric) =>
      this.#begin({
        tenantId: usage.tenantId,
        metric,
        value: 0,
        ts,
        attrs,
        attribution,
        correlationId: null,
      }),
    );
  }

  /** Sends all there is room for. @returns whether that was all */
  send(): boolean {
    return this.#send() === null;
  }

  /** Sends all, as soon as there is room. */
  async sendWhenRoom(): Promise<void> {
    for (let room = this.#send(); room !== null; room = this.#send()) await room();
  }

  /** Sends what there is room for in time; the rest is lost, and told. */
  async close(inTime: (room: Room) => Promise<boolean>): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (let room = this.#send(); room !== null; room = this.#send())
      if (!(await inTime(room))) {
        this.#running.drain(({ event }) => {
          this.#ports.lost(
            new MeterError('buffer_full', `the sum of ${event.metric} found no room in time`, { event }),
          );
          return true;
        });
      }
  }

  #begin(input: UsageEventInput): UsageEvent | null {
    const event = this.#ports.admit(input);
    if (event instanceof MeterError) {
      this.#ports.lost(event);
      return null;
    }
    if (this.#running.size >= this.#settings.maxSums && !this.send()) {
      this.#ports.lost(
        new MeterError('buffer_full', `${this.#running.size} sums wait for room already`, { event }),
      );
      return null;
    }
    this.#sendLater();
    return event;
  }

  /** It holds the process for as long as it holds a sum. */
  #sendLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (!this.send()) this.#sendLater();
    }, this.#settings.everyMs);
  }

  #offer({ event, amount, ts }: RunningSum): Room | null {
    const { now, newId, take } = this.#ports;
    return take({ ...event, id: newId(now()), ts, value: formatDecimal(amount) });
  }
}
