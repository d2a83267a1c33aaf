/** What every service's main does the same: help, configuration, log, metrics port, start, stop. */
import type { z } from 'zod';
import { helpText, secretsOf } from '../config-variables.ts';
import { ConfigError, parseConfig, type processVariables } from '../config.ts';
import { Health } from '../health/health.ts';
import { serveHealth } from '../health/health-server.ts';
import { Drain } from '../drain.ts';
import { createLogger, type Logger } from '../logger.ts';
import { Metrics } from '../metrics/metrics.ts';
import { Releases } from '../releases.ts';
import { createScrub } from '../secrets.ts';
import { runService, type RunningService } from '../service.ts';
import type { BeginSpan } from '../tracing/span.ts';
import { openTraces } from '../tracing/open-traces.ts';
import { StartUp } from './start-up.ts';

export interface ServiceTools {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly startUp: StartUp;
  /** Null: traces are off. */
  readonly beginSpan: BeginSpan | null;
}

export interface ServiceDefinition<Shape extends z.ZodRawShape & typeof processVariables> {
  readonly name: string;
  /** One sentence, for `--help`. */
  readonly purpose: string;
  /** Every variable that it reads, each with a description. */
  readonly variables: Shape;
  readonly start: (config: z.infer<z.ZodObject<Shape>>, tools: ServiceTools) => Promise<RunningService>;
}

const MAX_TRACES_CLOSE_MS = 2_000;

/** What of the process a main looks at. */
interface Surroundings {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs a service until it is told to stop. Ends the process: 0 when it was stopped, 1 when it failed,
 * 2 for wrong arguments.
 */
export async function serviceMain<Shape extends z.ZodRawShape & typeof processVariables>(
  service: ServiceDefinition<Shape>,
  { argv, env }: Surroundings = process,
): Promise<void> {
  const { name, purpose, variables } = service;
  const [argument] = argv.slice(2);
  if (argument === '--help') {
    process.stdout.write(helpText(name, purpose, variables));
    return;
  }
  if (argument !== undefined) {
    process.stderr.write(`${name} takes no arguments but --help: ${argument}\n`);
    process.exitCode = 2;
    return;
  }
  const config = configuration(service, env);
  if (config === null) {
    process.exitCode = 1;
    return;
  }
  const common = config as z.infer<z.ZodObject<typeof processVariables>>;
  const scrub = createScrub(secretsOf(variables, config));
  const logger = createLogger(name, common.LOG_LEVEL, scrub);
  const metrics = new Metrics();
  const health = new Health();
  health.exportTo(metrics);
  await runService(
    logger,
    async () => {
      const server =
        common.METRICS_PORT === undefined
          ? null
          : await serveHealth({
              host: common.METRICS_HOST,
              port: common.METRICS_PORT,
              ...{ metrics, health, logger, scrub },
            });
      if (server !== null) logger.info({ at: server.url }, 'serving metrics and health');
      const traces = await openTraces(name, common, { logger, metrics });
      const startUp = new StartUp({ deadlineMs: common.START_TIMEOUT_MS, health, logger });
      const running = await service.start(config, {
        ...{ logger, metrics, health, startUp },
        beginSpan: traces?.beginSpan ?? null,
      });
      return {
        failed: running.failed,
        stop: async (drain = Drain.within()) => {
          health.part('service', () => 'it is stopping');
          const releases = new Releases();
          // Last, so that the drain can be watched.
          releases.add('the metrics port', () => server?.close());
          // After what ended spans, and with a share of the time only: they are the least of it.
          releases.add('traces', ({ leftMs }) =>
            traces?.close(Math.min(MAX_TRACES_CLOSE_MS, common.DRAIN_TIMEOUT_MS / 4, leftMs)),
          );
          releases.add(name, (within) => running.stop(within));
          await releases.releaseAll(drain);
        },
      };
    },
    common.DRAIN_TIMEOUT_MS,
  );
}

/** @returns null when it is not usable; every problem is in the log then */
function configuration<Shape extends z.ZodRawShape & typeof processVariables>(
  { name, variables }: ServiceDefinition<Shape>,
  env: Surroundings['env'],
): z.infer<z.ZodObject<Shape>> | null {
  try {
    return parseConfig(variables, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    createLogger(name, 'info').fatal(error.message);
    return null;
  }
}
