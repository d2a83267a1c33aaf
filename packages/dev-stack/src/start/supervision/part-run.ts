/** A server of the stack as a supervisor sees it. The stack itself stops it, in its own order. */
import type { Part } from '../../stack.ts';
import type { Run, Supervised } from './supervisor.ts';

const LOOK_EVERY_MS = 250;

export function supervisedPart(name: string, part: Part): Supervised {
  return {
    name,
    running: runOf(part),
    start: async () => {
      await part.start();
      return runOf(part);
    },
  };
}

/** A part does not say that it ended; it has to be asked. */
function runOf(part: Part): Run {
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  const timer = setInterval(() => {
    if (!part.running()) settle('its process is gone');
  }, LOOK_EVERY_MS);
  const settle = (how: string): void => {
    clearInterval(timer);
    resolve(how);
  };
  return {
    pid: part.pid,
    ended,
    stop: () => {
      settle('no longer watched');
      return Promise.resolve();
    },
  };
}
