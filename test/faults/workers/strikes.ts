/** Blows that land inside a worker, at an await of its flush. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Failpoint } from '@meterhouse/postgres/flush';
import type { Strike } from '../plan/fault.ts';

export interface StrikePorts {
  /** Says that the strike is about to land; resolves when the driver cannot miss it any more. */
  readonly announce: (strike: Strike) => Promise<void>;
  /** Has the server end all sessions of this process. */
  readonly terminateSessions: () => Promise<void>;
  /** Cuts this process's sessions off: what the server answers from now on is not heard. */
  readonly deafenSessions: (forMs: number) => Promise<void>;
  readonly signalSelf: (signal: 'SIGKILL' | 'SIGSTOP') => void;
}

export class Strikes {
  readonly #ports: StrikePorts;
  #armed: Strike | null = null;

  constructor(ports: StrikePorts) {
    this.#ports = ports;
  }

  arm(strike: Strike): void {
    this.#armed = strike;
  }

  disarm(): void {
    this.#armed = null;
  }

  /** The flush calls it at every await; it strikes once. */
  readonly failpoint: Failpoint = async (at) => {
    const strike = this.#armed;
    if (strike?.step !== at) return;
    this.#armed = null;
    await this.#ports.announce(strike);
    await this.#land(strike);
  };

  async #land({ action, durationMs }: Strike): Promise<void> {
    const { signalSelf, terminateSessions, deafenSessions } = this.#ports;
    switch (action) {
      case 'kill':
        signalSelf('SIGKILL');
        // The signal ends the process at the next turn; the flush must not take another step.
        await delay(60_000);
        return;
      case 'freeze':
        signalSelf('SIGSTOP');
        return;
      case 'terminate':
        await terminateSessions();
        return;
      case 'delay':
        await delay(durationMs);
        return;
      case 'lose_answer':
        // Not awaited: COMMIT has to be sent meanwhile.
        void deafenSessions(durationMs);
        return;
      default:
        action satisfies never;
    }
  }
}
