/** Everything beyond a label's bound. A value that is called so itself is counted among it. */
export const OTHER = 'other';

/**
 * Keeps the values of a label within a bound: the first so many that come keep their names, all that
 * come later are `other`. A series of its own for each tenant would fill the memory here and in Prometheus.
 */
export class BoundedLabel {
  readonly #known = new Set<string>();
  readonly #max: number;
  readonly #onOther: () => void;

  /** @param onOther called each time that a value falls under `other` */
  constructor(max: number, onOther: () => void) {
    this.#max = max;
    this.#onOther = onOther;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (value === OTHER) return OTHER;
    if (this.#known.size >= this.#max) {
      this.#onOther();
      return OTHER;
    }
    this.#known.add(value);
    return value;
  }
}
