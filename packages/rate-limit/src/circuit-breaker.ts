/** Keeps calls away from a store that has stopped answering, and lets one at a time find out whether it is back. */

export type CircuitState = 'closed' | 'open' | 'half_open';

export interface CircuitBounds {
  /** Failures in a row that open the circuit. */
  readonly failuresToOpen: number;
  /** How long it stays open before one call is let through. */
  readonly openMs: number;
}

export class CircuitBreaker {
  readonly #bounds: CircuitBounds;
  readonly #monotonicMs: () => number;
  readonly #onChange: (state: CircuitState) => void;
  #state: CircuitState = 'closed';
  #failures = 0;
  #openedAtMs = 0;

  constructor(bounds: CircuitBounds, monotonicMs: () => number, onChange: (state: CircuitState) => void) {
    this.#bounds = bounds;
    this.#monotonicMs = monotonicMs;
    this.#onChange = onChange;
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** Until a call may go through again; 0 when one may now. */
  get retryAfterMs(): number {
    return this.#state === 'closed'
      ? 0
      : Math.max(0, Math.ceil(this.#openedAtMs + this.#bounds.openMs - this.#monotonicMs()));
  }

  /** Whoever gets `true` must report success or failure. */
  tryPass(): boolean {
    if (this.#state === 'closed') return true;
    if (this.#state === 'half_open' || this.retryAfterMs > 0) return false;
    this.#become('half_open');
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    if (this.#state === 'half_open') this.#become('closed');
  }

  failed(): void {
    this.#failures += 1;
    // What was under way when the circuit opened keeps it open no longer.
    if (this.#state === 'open') return;
    if (this.#state === 'closed' && this.#failures < this.#bounds.failuresToOpen) return;
    this.#openedAtMs = this.#monotonicMs();
    this.#become('open');
  }

  #become(state: CircuitState): void {
    this.#state = state;
    this.#onChange(state);
  }
}
