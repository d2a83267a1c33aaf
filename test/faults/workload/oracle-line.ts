import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Acknowledged } from './planned-event.ts';

const FLUSH_MS = 50;
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;

/** A producer's line to the oracle: one JSON array of acknowledged events a line. */
export class OracleLine {
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  #waiting: Acknowledged[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#timer = setInterval(() => {
      this.#flush();
    }, FLUSH_MS);
  }

  static async connect(port: number): Promise<OracleLine> {
    const socket = connect({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    return new OracleLine(socket);
  }

  report(acknowledged: Acknowledged): void {
    this.#waiting.push(acknowledged);
  }

  /** Whether the oracle keeps up; when not, the producer waits for it. */
  hasRoom(): boolean {
    return this.#socket.writableLength < MAX_UNSENT_BYTES;
  }

  /** Resolves when the oracle has read everything. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    const closed = once(this.#socket, 'close');
    this.#socket.end();
    this.#socket.resume();
    await closed;
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    const lines = this.#waiting;
    this.#waiting = [];
    this.#socket.write(`${JSON.stringify(lines)}\n`);
  }
}
