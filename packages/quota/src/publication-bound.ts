/**
 * After which instant was a message surely published? A log end that was asked for at an instant says
 * so of every offset from it on. Unlike the instant of receipt this also holds for a reader that was
 * frozen or lags: messages that waited for it do not look new because it reads them now.
 */

/** Log ends remembered while the reader lags; more would only make its answers less cautious. */
const MAX_MARKS = 64;

export class PublicationBound {
  readonly #marks: { readonly logEnd: bigint; readonly askedAtMs: number }[] = [];
  #reached: { readonly logEnd: bigint; readonly askedAtMs: number } | null = null;

  /**
   * @param logEnd offset that the next message would have got
   * @param askedAtMs monotonic instant at or before which the broker was asked
   */
  observe(logEnd: bigint, askedAtMs: number): void {
    if (this.#marks.length < MAX_MARKS) this.#marks.push({ logEnd, askedAtMs });
  }

  /** @returns a monotonic instant, or -Infinity where none is known, as for what was there before we looked */
  publishedAfter(offset: bigint): number {
    for (let mark = this.#marks[0]; mark !== undefined && mark.logEnd <= offset; mark = this.#marks[0]) {
      this.#reached = mark;
      this.#marks.shift();
    }
    // Offsets rise, but for a consumer that begins anew.
    return this.#reached !== null && this.#reached.logEnd <= offset ? this.#reached.askedAtMs : -Infinity;
  }
}
