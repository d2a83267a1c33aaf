import { z } from 'zod';

declare module 'zod' {
  interface GlobalMeta {
    /** What a variable's text has to be, in words. */
    kind?: string;
    /** A URL that may hold a password. */
    secret?: boolean;
  }
}

/** Every problem of a configuration at once, one line each, naming the variable. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Reads the whole configuration once. Values of variables never appear in the error: they may be secret. */
export function parseConfig<Shape extends z.ZodRawShape>(
  shape: Shape,
  env: Readonly<Record<string, string | undefined>>,
): z.infer<z.ZodObject<Shape>> {
  const given = Object.fromEntries(
    Object.keys(shape).flatMap((name) =>
      env[name] === undefined || env[name] === '' ? [] : [[name, env[name]]],
    ),
  );
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success) return parsed.data;
  throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
}

const list = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  )
  .meta({ kind: 'texts, comma-separated' });

/** A whole number within bounds, as a variable's text. */
export function wholeNumber(
  min: number,
  max: number,
): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  return z
    .string()
    .transform((text, context) => {
      const value = Number(text);
      if (/^[0-9]+$/.test(text) && value >= min && value <= max) return value;
      context.addIssue({ code: 'custom', message: `must be a whole number from ${min} to ${max}` });
      return z.NEVER;
    })
    .meta({ kind: `whole number, ${min} to ${max}` });
}

/** The variables that say where the stores are, the same for every service and the command. */
export const storeVariables = {
  KAFKA_BROKERS: list
    .pipe(z.array(z.string()).min(1))
    .meta({ description: '`host:port` of some brokers; the others are learned from them.' }),
  SCHEMA_REGISTRY_URL: z
    .url()
    .meta({ description: 'A schema registry that speaks Confluent’s API.', secret: true }),
  DATABASE_URL: z.url().meta({ description: 'The Postgres database, with the login role.', secret: true }),
  CLICKHOUSE_URL: z
    .url()
    .meta({ description: 'ClickHouse’s HTTP interface, with user and password.', secret: true }),
  CLICKHOUSE_DATABASE: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/)
    .default('meterhouse')
    .describe('ClickHouse database that holds the mirror; made if it is not there.'),
  USAGE_EVENTS_TOPIC: z.string().min(1).default('usage_events').describe('Kafka topic of usage events.'),
  USAGE_SNAPSHOTS_TOPIC: z
    .string()
    .min(1)
    .default('usage_snapshots')
    .describe('Kafka topic of current usage.'),
  QUOTA_DECISIONS_TOPIC: z
    .string()
    .min(1)
    .default('quota_decisions')
    .describe('Kafka topic of denials and warnings.'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('The least level that is logged.'),
};

/** The variables that every service has beside its own. */
export const processVariables = {
  LOG_LEVEL: storeVariables.LOG_LEVEL,
  METRICS_PORT: wholeNumber(0, 65_535)
    .optional()
    .describe('Port of `/metrics`, `/healthz` and `/readyz`; 0 for any that is free; unset for none.'),
  METRICS_HOST: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address that the metrics port listens on; `0.0.0.0` in a container.'),
  STUCK_AFTER_MS: wholeNumber(1_000, 3_600_000)
    .default(120_000)
    .describe('How long a part with work waiting may stand still before `/healthz` fails.'),
  START_TIMEOUT_MS: wholeNumber(1_000, 3_600_000)
    .default(60_000)
    .describe('How long the start waits for stores that are away before the process ends.'),
  DRAIN_TIMEOUT_MS: wholeNumber(0, 600_000)
    .default(10_000)
    .describe('How long a stop may take to finish what is under way before the process ends anyway.'),
};
