/** What a person reads when a service ends and comes back. Pure. */
import type { SupervisionEvent } from './supervisor.ts';

/** From so many ends in a row on, the line says where to look. */
const POINT_TO_LOG_FROM = 3;

export interface SupervisionLine {
  readonly tone: 'warn' | 'good';
  readonly text: string;
}

/** @param logPath the service's log */
export function supervisionLine(event: SupervisionEvent, logPath: string): SupervisionLine {
  switch (event.kind) {
    case 'ended': {
      const again = `starting it again in ${(event.waitMs / 1000).toFixed(1)} s`;
      const row =
        event.inARow >= POINT_TO_LOG_FROM ? ` (${event.inARow} times in a row now, see ${logPath})` : '';
      return { tone: 'warn', text: `${event.name} ended: ${event.how}; ${again}${row}` };
    }
    case 'started_again':
      return { tone: 'good', text: `${event.name} runs again (pid ${event.pid}, restart ${event.restarts})` };
  }
}
