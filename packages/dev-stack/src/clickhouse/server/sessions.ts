import type { Connection, Engine } from './engine.ts';

/** ClickHouse's own answers, by its code. */
class SessionError extends Error {
  override name = 'SessionError';
  readonly code: number;

  constructor(code: number, text: string) {
    super(`Code: ${code}. DB::Exception: ${text}`);
    this.code = code;
  }
}

interface Session {
  connection: Connection;
  busy: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** Connections that outlive a request, for temporary tables and SET; forgotten when idle. */
export class Sessions {
  readonly #engine: Engine;
  readonly #limit: number;
  readonly #sessions = new Map<string, Session>();

  constructor(engine: Engine, { limit }: { limit: number }) {
    this.#engine = engine;
    this.#limit = limit;
  }

  take(id: string, mustExist: boolean): Connection {
    const session = this.#sessions.get(id) ?? this.#create(id, mustExist);
    if (session.busy)
      throw new SessionError(373, `Session ${id} is locked by a concurrent client. (SESSION_IS_LOCKED)`);
    clearTimeout(session.timer);
    session.busy = true;
    return session.connection;
  }

  giveBack(id: string, idleTimeoutMs: number): void {
    const session = this.#sessions.get(id);
    if (!session) return;
    session.busy = false;
    session.timer = setTimeout(() => this.#forget(id, session), idleTimeoutMs);
    session.timer.unref();
  }

  close(): void {
    for (const [id, session] of this.#sessions) this.#forget(id, session);
  }

  #create(id: string, mustExist: boolean): Session {
    if (mustExist) throw new SessionError(372, `Session ${id} not found. (SESSION_NOT_FOUND)`);
    if (this.#sessions.size >= this.#limit) {
      throw new SessionError(
        202,
        `Too many sessions, at most ${this.#limit}. (TOO_MANY_SIMULTANEOUS_QUERIES)`,
      );
    }
    const session: Session = { connection: this.#engine.connect(), busy: false, timer: undefined };
    this.#sessions.set(id, session);
    return session;
  }

  #forget(id: string, session: Session): void {
    clearTimeout(session.timer);
    this.#sessions.delete(id);
    this.#engine.disconnect(session.connection);
  }
}
