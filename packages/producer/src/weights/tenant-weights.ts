/**
 * What becomes of an event, by the class of its tenant. Known classes are answered from memory; an
 * unknown one is looked up meanwhile, and until then the event is metered: nothing is lost by not
 * knowing. A class that grew old is used on until the next answer.
 */
import type { TenantClass } from '@meterhouse/quota';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { abortable } from '../abortable.ts';
import type { ClassOf } from '../adapter.ts';
import { noAnswer } from '../answers/turns.ts';
import type { WeightsOptions } from '../configuration/weights-options.ts';
import { isPowerOfTwo } from '../reporting.ts';

export type Weight = WeightsOptions['internal'];

export interface TenantWeightsPorts {
  /** @throws where nobody knows classes */
  readonly classOf: () => Promise<ClassOf>;
  readonly clock: () => number;
  readonly logger: Logger;
}

interface Known {
  weight: Weight;
  /** When it has to be asked for again, by the clock. */
  askAt: number;
}

/** Until a class that could not be found out is asked for again. */
const RETRY_MS = 1_000;
const LOOKUP_MS = 5_000;
/** Look-ups on their way at once; a tenant that finds no place is looked up with its next event. */
const MAX_ASKING = 8;
const SOON_MS = 20;

export class TenantWeights {
  readonly #options: WeightsOptions;
  readonly #ports: TenantWeightsPorts;
  readonly #known: LRUCache<string, Known>;
  #classOf: ClassOf | null = null;
  #failures = 0;
  #asking = 0;

  constructor(options: WeightsOptions, ports: TenantWeightsPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#known = new LRUCache({ max: options.maxTenants });
    ports.classOf().then(
      (classOf) => (this.#classOf = classOf),
      (error: unknown) => {
        ports.logger.error({ err: error }, 'classes of tenants cannot be known: every event is metered');
      },
    );
  }

  of(tenantId: string): Weight {
    const now = this.#ports.clock();
    const known = this.#known.get(tenantId);
    if (known !== undefined && now < known.askAt) return known.weight;
    const entry = known ?? { weight: 'meter', askAt: now };
    if (known === undefined) this.#known.set(tenantId, entry);
    this.#ask(tenantId, entry, now);
    return entry.weight;
  }

  /** Never throws: it stands in the way of an event. */
  #ask(tenantId: string, entry: Known, now: number): void {
    const classOf = this.#classOf;
    // Whatever comes of it, the next look-up for this tenant is not at once.
    entry.askAt = now + (classOf === null || this.#asking >= MAX_ASKING ? SOON_MS : LOOKUP_MS);
    if (classOf === null || this.#asking >= MAX_ASKING) return;
    try {
      const deadline = AbortSignal.timeout(LOOKUP_MS);
      const answer = classOf(tenantId, deadline);
      if (answer instanceof Promise) void this.#await(answer, entry, deadline);
      else this.#learn(entry, answer);
    } catch (error) {
      this.#failed(entry, error);
    }
  }

  async #await(answer: Promise<TenantClass | null>, entry: Known, deadline: AbortSignal): Promise<void> {
    this.#asking += 1;
    try {
      this.#learn(entry, await abortable(answer, deadline, noAnswer));
    } catch (error) {
      this.#failed(entry, error);
    } finally {
      this.#asking -= 1;
    }
  }

  #failed(entry: Known, error: unknown): void {
    entry.askAt = this.#ports.clock() + RETRY_MS;
    this.#failures += 1;
    if (isPowerOfTwo(this.#failures))
      this.#ports.logger.warn(
        { err: error, failures: this.#failures },
        'the class of a tenant cannot be found out: its events are treated as before',
      );
  }

  #learn(entry: Known, tenantClass: TenantClass | null): void {
    entry.weight = this.#weightOf(tenantClass);
    entry.askAt = this.#ports.clock() + this.#options.maxAgeMs;
  }

  /** A tenant that nobody knows is metered, and ends in quarantine with that reason. */
  #weightOf(tenantClass: TenantClass | null): Weight {
    switch (tenantClass) {
      case 'internal':
        return this.#options.internal;
      case 'arms_length':
        return this.#options.armsLength;
      case 'external':
      case null:
        return this.#options.external;
    }
  }
}
