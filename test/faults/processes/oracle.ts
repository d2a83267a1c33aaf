/** The oracle as the driver sees it. */
import { startChild, type GuardedChild } from './guarded-child.ts';
import type { FromOracle, Judgement, OracleConfig, ToOracle } from './messages.ts';

const SCRIPT = new URL('../oracle/oracle-process.ts', import.meta.url);

export class OracleHandle {
  readonly #child: GuardedChild<ToOracle, FromOracle>;
  readonly #port = Promise.withResolvers<number>();
  readonly #judgement = Promise.withResolvers<Judgement>();

  constructor(config: OracleConfig, logPath: string) {
    this.#child = startChild(SCRIPT, logPath);
    this.#judgement.promise.catch(() => undefined);
    this.#port.promise.catch(() => undefined);
    this.#child.onMessage((message) => {
      this.#hear(message);
    });
    void this.#child.ended.then((how) => {
      this.#fail(new Error(`the oracle ended by itself: ${how}`));
    });
    this.#child.send(config);
  }

  /** Where producers report to. */
  get port(): Promise<number> {
    return this.#port.promise;
  }

  judge(): Promise<Judgement> {
    this.#child.send({ kind: 'judge' });
    return this.#judgement.promise;
  }

  async stop(): Promise<void> {
    this.#child.signal('SIGKILL');
    await this.#child.ended;
  }

  #hear(message: FromOracle): void {
    switch (message.kind) {
      case 'listening':
        this.#port.resolve(message.port);
        return;
      case 'judged':
        this.#judgement.resolve(message.judgement);
        return;
      case 'failed':
        this.#fail(new Error(`the oracle could not judge: ${message.reason}`));
        return;
      default:
        message satisfies never;
    }
  }

  #fail(error: Error): void {
    this.#port.reject(error);
    this.#judgement.reject(error);
  }
}
