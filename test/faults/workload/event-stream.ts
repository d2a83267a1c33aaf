/** The events of one producer, in order. Pure: the seed and the start of the run decide. */
import { Random } from '../random.ts';
import type { Damage, EventContent, Fate, PlannedEvent } from './planned-event.ts';
import { GIANT_TENANT, LATE_METRIC, METRICS, TENANTS, type WorkloadMetric } from './registry.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const ATTRIBUTE_VALUES: Readonly<Record<string, readonly string[]>> = {
  model: ['small', 'large', 'mixtral "8x7"', '模型-1'],
  route: ['/v1/chat', '/v1/embed\\', ''],
  status: ['200', '500'],
  region: ['eu-1', 'us-1', "l'est"],
  plan: ['free', 'pro'],
  queue: ['night', 'day'],
};
/** The order of ids by UTF-8 bytes and by UTF-16 units differs for some of these: `latest` breaks ties by it. */
const ID_PREFIXES = ['order', 'Zug', 'ü', '\uffee', '𝔘'];

const DAMAGES: readonly (readonly [Damage, Fate])[] = [
  ['cut_short', 'undecodable'],
  ['wrong_magic', 'undecodable'],
  ['unknown_schema', 'undecodable'],
  ['value_not_a_number', 'invalid_value'],
  ['value_with_exponent', 'invalid_value'],
  ['attribute_too_long', 'invalid_event'],
];

export class EventStream {
  readonly #random: Random;
  readonly #name: string;
  /** Epoch ms at which the run began. */
  readonly #startedAt: number;
  readonly #olderHours: readonly number[];
  #made = 0;
  #lastId: { readonly id: string; readonly tenantId: string } | null = null;

  constructor(seed: string, producer: number, startedAt: number) {
    this.#random = new Random(`${seed}/events/${producer}`);
    this.#name = `p${producer}`;
    this.#startedAt = startedAt;
    // The same hours for all producers, so that they meet in the same buckets.
    const hours = new Random(`${seed}/hours`);
    this.#olderHours = Array.from({ length: 20 }, () => startedAt - hours.between(25, 34 * 24) * HOUR_MS);
  }

  next(): PlannedEvent {
    this.#made += 1;
    const event = this.#goodEvent();
    return this.#random.chance(0.012)
      ? this.#spoil(event)
      : { event, fate: 'counted', spread: event.tenantId === GIANT_TENANT, damage: null };
  }

  /**
   * The same id with other content; null for what is not counted anyway. Which of the two is counted
   * is open where they lie in different partitions.
   */
  conflictOf(original: PlannedEvent): PlannedEvent | null {
    if (original.fate !== 'counted') return null;
    const { event, spread } = original;
    const changed =
      spread || this.#random.chance(0.5)
        ? { ...event, value: event.value.startsWith('7') ? '8' : '7' }
        : // Weeks apart, the two may lie in different periods of the de-duplication.
          { ...event, ts: this.#startedAt - 33 * DAY_MS + this.#random.between(0, HOUR_MS) };
    return { event: changed, fate: 'id_conflict', spread, damage: null };
  }

  #goodEvent(): EventContent {
    const random = this.#random;
    const tenantId = random.chance(0.35) ? GIANT_TENANT : random.pick(TENANTS).id;
    const metric = random.chance(0.015) ? LATE_METRIC : random.pick(METRICS);
    return {
      id: this.#id(tenantId),
      tenantId,
      metric: metric.name,
      value: this.#value(metric),
      ts: this.#ts(),
      unit: random.chance(0.5) ? metric.unit : null,
      attrs: this.#attrs(metric),
    };
  }

  #id(tenantId: string): string {
    const random = this.#random;
    const last = this.#lastId;
    // Ids are unique per tenant only: the same one for another tenant is another event.
    if (last !== null && last.tenantId !== tenantId && random.chance(0.02)) {
      this.#lastId = null;
      return last.id;
    }
    const id = random.chance(0.8)
      ? random.uuid(this.#startedAt + this.#made)
      : `${random.pick(ID_PREFIXES)}-${this.#name}-${this.#made}`;
    this.#lastId = { id, tenantId };
    return id;
  }

  #ts(): number {
    const random = this.#random;
    const base = random.chance(0.75)
      ? this.#startedAt - (random.chance(0.7) ? 0 : random.between(1, 24) * HOUR_MS)
      : random.pick(this.#olderHours);
    const ts = base - 15 * MINUTE_MS + random.between(0, 55 * MINUTE_MS);
    // Many at the same instant: ties of `latest`.
    return random.chance(0.4) ? Math.floor(ts / (10 * MINUTE_MS)) * 10 * MINUTE_MS : ts;
  }

  #value(metric: WorkloadMetric): string {
    const random = this.#random;
    if (metric.aggregation === 'count') return '1';
    if (random.chance(0.001)) return '9'.repeat(29);
    const sign = random.chance(0.03) ? '-' : '';
    const whole = `${sign}${random.between(0, 5_000)}`;
    const places = random.between(0, metric.scale);
    return places === 0
      ? whole
      : `${whole}.${random
          .between(0, 10 ** places - 1)
          .toString()
          .padStart(places, '0')}`;
  }

  #attrs(metric: WorkloadMetric): Record<string, string> {
    const random = this.#random;
    const attrs: Record<string, string> = {};
    for (const name of metric.groupBy)
      if (!random.chance(0.05)) attrs[name] = random.pick(ATTRIBUTE_VALUES[name] ?? ['']);
    if (random.chance(0.3)) attrs['host'] = `host-${random.between(1, 50)}`;
    return attrs;
  }

  #spoil(event: EventContent): PlannedEvent {
    const random = this.#random;
    const bad = (fate: Fate, change: Partial<EventContent>): PlannedEvent => ({
      event: { ...event, ...change },
      fate,
      spread: false,
      damage: null,
    });
    switch (random.between(0, 6)) {
      case 0:
        return bad('unknown_tenant', { tenantId: `nobody-${random.between(1, 5)}` });
      case 1:
        return bad('unknown_metric', { metric: 'nothing.known' });
      case 2:
        return bad('wrong_unit', { unit: 'parsec' });
      case 3:
        return bad('invalid_value', { metric: 'seats', unit: null, value: '1.5', attrs: {} });
      case 4:
        return bad('too_old', { ts: this.#startedAt - 40 * DAY_MS });
      case 5:
        return bad('in_the_future', { ts: this.#startedAt + 2 * DAY_MS });
      default: {
        const [damage, fate] = random.pick(DAMAGES);
        return { event, fate, spread: true, damage };
      }
    }
  }
}
