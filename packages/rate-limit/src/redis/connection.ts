/** A connection of our own, for those who have only a URL. */
import { backoffMs } from '@meterhouse/runtime';
import { createClient } from '@redis/client';
import type { RedisConnection, ScriptArguments } from './scripts.ts';

export interface RedisConnectionOptions {
  /** `redis[s]://[[user][:password]@]host[:port][/database]` */
  readonly url: string;
  /** Told of each loss of the connection; it is made again by itself, for as long as it takes. */
  readonly onConnectionError?: (error: Error) => void;
  /** A connection over which nothing has been answered for this long is made anew. */
  readonly silenceMs?: number;
}

/** Commands that wait for an answer; more than these are refused at once. */
const MAX_QUEUED_COMMANDS = 10_000;
const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT = { baseMs: 50, maxMs: 1_000 };

/** Returns at once: until the connection is there, commands fail. */
export function openRedisConnection(options: RedisConnectionOptions): RedisConnection & { close(): void } {
  return new RemadeConnection(options);
}

type Client = ReturnType<RemadeConnection['open']>;

/**
 * The client reconnects when a connection breaks. It waits for ever on one that does not break, as
 * when the peer froze or vanished; so it is asked for a sign of life, and replaced when there is none.
 */
class RemadeConnection implements RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #silenceMs: number;
  readonly #watch: NodeJS.Timeout;
  #client: Client;
  #aliveAtMs = performance.now();

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    this.#silenceMs = options.silenceMs ?? 5_000;
    this.#client = this.open();
    this.#watch = setInterval(() => this.#askForLife(), Math.ceil(this.#silenceMs / 4)).unref();
  }

  evalSha(digest: string, options: ScriptArguments): Promise<unknown> {
    return this.#client.evalSha(digest, options);
  }

  eval(script: string, options: ScriptArguments): Promise<unknown> {
    return this.#client.eval(script, options);
  }

  close(): void {
    clearInterval(this.#watch);
    this.#client.destroy();
  }

  private open() {
    const client = createClient({
      url: this.#options.url,
      // What cannot be sent now is decided without Redis; sent later it would charge for nothing.
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_QUEUED_COMMANDS,
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        reconnectStrategy: (retries) => 1 + backoffMs(retries, RECONNECT, Math.random),
      },
    });
    const tell = (error: unknown): void =>
      this.#options.onConnectionError?.(error instanceof Error ? error : new Error(String(error)));
    client.on('error', tell);
    client.connect().catch(tell);
    return client;
  }

  #askForLife(): void {
    const nowMs = performance.now();
    if (nowMs - this.#aliveAtMs > this.#silenceMs) {
      this.#options.onConnectionError?.(new Error(`nothing was answered for ${this.#silenceMs} ms`));
      this.#client.destroy();
      this.#client = this.open();
      this.#aliveAtMs = nowMs;
      return;
    }
    this.#client.ping().then(
      () => (this.#aliveAtMs = performance.now()),
      // No sign of life; the time that passes without one decides.
      () => undefined,
    );
  }
}
