import { Drain } from './drain.ts';

/** @param drain with the time that is left when it is this one's turn */
type Release = (drain: Drain) => Promise<void> | void;

/** What a service has opened, closed in reverse order. Every release runs, also after one has failed. */
export class Releases {
  #entries: { name: string; release: Release }[] = [];

  add(name: string, release: Release): void {
    this.#entries.push({ name, release });
  }

  /**
   * @param drain the deadline of all of them together; it is theirs to keep
   * @throws AggregateError of what failed, each naming what could not be closed
   */
  async releaseAll(drain: Drain = Drain.within()): Promise<void> {
    const failures: Error[] = [];
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      try {
        await drain.end(entry.name, entry.release);
      } catch (error) {
        failures.push(new Error(`closing ${entry.name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0)
      throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '));
  }
}
