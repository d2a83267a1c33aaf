/** What /healthz and /readyz answer: composed of what each part says of itself. */
import { COMMON_METRICS, type Metrics } from '../metrics/metrics.ts';

/** A part with why it is in trouble, in words for whoever is called at night. */
export interface Trouble {
  readonly part: string;
  readonly reason: string;
}

export interface Liveness {
  readonly alive: boolean;
  readonly stuck: readonly Trouble[];
}

export interface Readiness {
  readonly ready: boolean;
  readonly parts: readonly PartReadiness[];
}

interface PartReadiness {
  readonly part: string;
  readonly ready: boolean;
  /** Without it the service is not ready; without another it is, and says so. */
  readonly required: boolean;
  /** Null when it is ready. */
  readonly reason: string | null;
}

interface Part {
  readonly required: boolean;
  readonly whyNot: () => string | null;
}

export class Health {
  readonly #parts = new Map<string, Part>();
  readonly #watches: (() => readonly Trouble[])[] = [];

  /** Replaces a part of the same name. @param whyNot null when it is ready */
  part(name: string, whyNot: () => string | null, { required = true } = {}): void {
    this.#parts.set(name, { required, whyNot });
  }

  /** No longer a part: of those that only matter during the start. */
  forget(name: string): void {
    this.#parts.delete(name);
  }

  /** @param watch what is stuck, asked for each answer: a restart must be able to help */
  watch(watch: () => readonly Trouble[]): void {
    this.#watches.push(watch);
  }

  liveness(): Liveness {
    const stuck = this.#watches.flatMap((watch) => watch());
    return { alive: stuck.length === 0, stuck };
  }

  readiness(): Readiness {
    const parts = Array.from(this.#parts, ([part, { required, whyNot }]) => {
      const reason = whyNot();
      return { part, ready: reason === null, required, reason };
    });
    return { ready: parts.every(({ ready, required }) => ready || !required), parts };
  }

  exportTo(metrics: Metrics): void {
    metrics.gauge(COMMON_METRICS.partReady, () =>
      this.readiness().parts.map(({ part, ready }) => ({ labels: { part }, value: ready ? 1 : 0 })),
    );
    metrics.value(COMMON_METRICS.stuckParts, () => this.liveness().stuck.length);
  }
}
