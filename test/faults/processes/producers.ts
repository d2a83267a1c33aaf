/** The producing services as the driver sees them. */
import { startChild, type GuardedChild } from './guarded-child.ts';
import type { FromProducer, ProducerConfig, ProducerTotals, ToProducer } from './messages.ts';

const SCRIPT = new URL('../workload/producer-process.ts', import.meta.url);

export class ProducerHandle {
  readonly #child: GuardedChild<ToProducer, FromProducer>;
  readonly #finished = Promise.withResolvers<ProducerTotals>();
  readonly #floods: ((events: number) => void)[] = [];
  totals: ProducerTotals = { acknowledged: 0, duplicates: 0, retries: 0 };

  constructor(config: ProducerConfig, logPath: string) {
    this.#child = startChild(SCRIPT, logPath);
    this.#child.onMessage((message) => {
      this.#hear(message);
    });
    // Rejected only when it ends before it was told to; whoever waits for it then hears of it.
    this.#finished.promise.catch(() => undefined);
    void this.#child.ended.then((how) => {
      this.#finished.reject(new Error(`producer ${config.producer} ended by itself: ${how}`));
    });
    this.#child.send(config);
  }

  get hasEnded(): boolean {
    return this.#child.hasEnded();
  }

  /** @returns how many events were sent once more */
  flood(events: number): Promise<number> {
    const flooded = new Promise<number>((resolve) => this.#floods.push(resolve));
    this.#child.send({ kind: 'flood', events });
    return Promise.race([flooded, this.#finished.promise.then(() => 0)]);
  }

  /** Resolves when everything has been acknowledged and the oracle knows it. */
  finish(): Promise<ProducerTotals> {
    this.#child.send({ kind: 'finish' });
    return this.#finished.promise;
  }

  async stop(): Promise<void> {
    this.#child.signal('SIGKILL');
    await this.#child.ended;
  }

  #hear(message: FromProducer): void {
    switch (message.kind) {
      case 'status':
        this.totals = message;
        return;
      case 'flooded':
        this.#floods.shift()?.(message.events);
        return;
      case 'finished':
        this.totals = message;
        this.#finished.resolve(message);
        return;
      default:
        message satisfies never;
    }
  }
}
