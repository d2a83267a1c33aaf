type Release = () => Promise<void> | void;

/** What a service has opened, closed in reverse order. Every release runs, also after one has failed. */
export class Releases {
  #entries: { name: string; release: Release }[] = [];

  add(name: string, release: Release): void {
    this.#entries.push({ name, release });
  }

  /** @throws AggregateError of what failed, each naming what could not be closed */
  async releaseAll(): Promise<void> {
    const failures: Error[] = [];
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      try {
        await entry.release();
      } catch (error) {
        failures.push(new Error(`closing ${entry.name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0)
      throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '));
  }
}
