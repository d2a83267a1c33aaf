import type { Logger } from './logger.ts';
import { ConfigError } from './config.ts';
import { Drain } from './drain.ts';

export interface RunningService {
  /**
   * Finishes or gives back what is under way.
   * @param drain with the time that is left for it; without one it takes as long as it takes
   */
  stop(drain?: Drain): Promise<void>;
  /** Rejects when the service can no longer do its work; never resolves. */
  failed: Promise<never>;
}

/**
 * Runs a service until SIGTERM, SIGINT or a failure. A failure ends the process with code 1: its
 * progress is in Postgres, and a supervisor starts it again. So does a stop in which something could not be
 * ended, or not in time: the log names it.
 * @param drainTimeoutMs how long stopping may take before the process ends anyway
 */
export async function runService(
  logger: Logger,
  start: () => Promise<RunningService>,
  drainTimeoutMs = 10_000,
): Promise<void> {
  const end = (code: number): void => {
    // pino's destination is synchronous; nothing is lost by leaving at once.
    process.exit(code);
  };
  process.on('unhandledRejection', (error) => {
    logger.fatal({ err: error }, 'unhandled rejection');
    end(1);
  });
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught exception');
    end(1);
  });
  // From the start on: a first process in a container ignores a signal that it has no handler for.
  const signalled = nextSignal();
  try {
    const starting = start();
    const service = await Promise.race([starting, signalled]);
    if (typeof service === 'string') {
      // What has been begun ends with the process, as after a crash: its progress is in Postgres.
      logger.info({ signal: service }, 'stopped while starting');
      end(0);
      return;
    }
    const signal = await Promise.race([signalled, service.failed]);
    logger.info({ signal }, 'stopping');
    const drain = Drain.within(drainTimeoutMs);
    const deadline = setTimeout(() => {
      const waitingFor = drain.waitingFor();
      logger.error(
        { drainTimeoutMs, waitingFor },
        `not stopped within the deadline: ${waitingFor.join(', ')}; what was under way will be redone by the next start`,
      );
      end(1);
    }, drainTimeoutMs);
    await service.stop(drain);
    clearTimeout(deadline);
    logger.info('stopped');
    end(0);
  } catch (error) {
    if (error instanceof ConfigError) logger.fatal(error.message);
    else logger.fatal({ err: error }, 'failed');
    end(1);
  }
}

function nextSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}
