/** How the service's parts move, for whoever watches whether they do. */
import type { PartProgress } from '@meterhouse/runtime/service';

/** A loop of rounds. Between two rounds it has nothing to do; one that fails is made again, and is not done. */
export class Rounds {
  #done = 0n;
  #underWay = false;

  begin(): void {
    this.#underWay = true;
  }

  end(): void {
    this.#done += 1n;
    this.#underWay = false;
  }

  progress(): PartProgress {
    return { position: this.#done, waiting: this.#underWay };
  }
}
