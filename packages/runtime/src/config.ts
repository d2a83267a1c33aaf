import { z } from 'zod';

declare module 'zod' {
  interface GlobalMeta {
    /** What a variable's text has to be, in words. */
    kind?: string;
    /** `true` for a URL that may hold a password, `whole` where all of it is secret. */
    secret?: boolean | 'whole';
    /** Variables without which this one says nothing, so that they have to be given too. */
    requires?: readonly string[];
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
  const alone = givenAlone(shape, given);
  if (parsed.success && alone.length === 0) return parsed.data;
  const issues = parsed.error?.issues ?? [];
  throw new ConfigError([...issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`), ...alone]);
}

function givenAlone(shape: z.ZodRawShape, given: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(given).flatMap((name) => {
    const { requires = [] } = (shape[name] as z.ZodType).meta() ?? {};
    const missing = requires.filter((other) => given[other] === undefined);
    return missing.length === 0 ? [] : [`${name}: needs ${missing.join(' and ')} too`];
  });
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

/** A share from 0 to 1, as a variable's text. */
const share = z
  .string()
  .transform((text, context) => {
    const value = Number(text);
    if (/^[0-9]*\.?[0-9]+$/.test(text) && value <= 1) return value;
    context.addIssue({ code: 'custom', message: 'must be a number from 0 to 1' });
    return z.NEVER;
  })
  .meta({ kind: 'number, 0 to 1' });

/** Names and values of HTTP headers. */
const otlpHeaders = z
  .string()
  .transform((text, context): Record<string, string> => {
    const pairs = text
      .split(',')
      .map((pair) => /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*([\x20-\x7e]*?)\s*$/.exec(pair));
    if (pairs.every((pair) => pair !== null))
      return Object.fromEntries(
        pairs.map(([, name = '', value = '']) => [name.toLowerCase(), decoded(value)]),
      );
    context.addIssue({ code: 'custom', message: 'must be `name=value`, comma-separated' });
    return z.NEVER;
  })
  .meta({ kind: '`name=value`, comma-separated' });

/** As OpenTelemetry has it: values are percent-encoded; a stray % is no escape. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const path = z.string().min(1);

/** How Kafka is reached, the same for every service and the command. */
export const kafkaVariables = {
  KAFKA_BROKERS: list
    .pipe(z.array(z.string()).min(1))
    .meta({ description: '`host:port` of some brokers; the others are learned from them.' }),
  KAFKA_TLS: z
    .stringbool()
    .default(false)
    .describe('Speak TLS with the brokers; their certificates and names are checked.'),
  KAFKA_CA_FILE: path.optional().meta({
    description: 'Who has to have signed their certificates, in PEM; without it, whom Node trusts.',
    requires: ['KAFKA_TLS'],
  }),
  KAFKA_CERT_FILE: path.optional().meta({
    description: 'Certificate to show to the brokers, in PEM, where they ask for one.',
    requires: ['KAFKA_TLS', 'KAFKA_KEY_FILE'],
  }),
  KAFKA_KEY_FILE: path
    .optional()
    .meta({ description: 'Its private key in PEM.', requires: ['KAFKA_TLS', 'KAFKA_CERT_FILE'] }),
  KAFKA_SASL_MECHANISM: z
    .enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
    .optional()
    .meta({
      description: 'How to sign in with the brokers; without it, not at all. `PLAIN` only with `KAFKA_TLS`.',
      requires: ['KAFKA_USERNAME', 'KAFKA_PASSWORD'],
    }),
  KAFKA_USERNAME: z
    .string()
    .optional()
    .meta({ description: 'Who signs in.', requires: ['KAFKA_SASL_MECHANISM', 'KAFKA_PASSWORD'] }),
  KAFKA_PASSWORD: z
    .string()
    .optional()
    .meta({
      description: 'The password.',
      secret: 'whole',
      requires: ['KAFKA_SASL_MECHANISM', 'KAFKA_USERNAME'],
    }),
};

export type KafkaConfiguration = z.infer<z.ZodObject<typeof kafkaVariables>>;

/** The variables that say where the stores are, the same for every service and the command. */
export const storeVariables = {
  ...kafkaVariables,
  SCHEMA_REGISTRY_URL: z.url().meta({
    description: 'A schema registry that speaks Confluent’s API, with user and password if it asks for them.',
    secret: true,
  }),
  DATABASE_URL: z.url().meta({
    description: 'The Postgres database, with the login role; `?sslmode=verify-full` for TLS.',
    secret: true,
  }),
  CLICKHOUSE_URL: z.url().meta({
    description: 'ClickHouse’s HTTP interface, `http` or `https`, with user and password.',
    secret: true,
  }),
  CLICKHOUSE_DATABASE: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/)
    .default('meterhouse')
    .describe('ClickHouse database that holds the mirror; made if it is not there.'),
  CLICKHOUSE_CLUSTER: z
    .string()
    .regex(/^([A-Za-z_][A-Za-z0-9_-]{0,63})?$/)
    .default('')
    .describe(
      'Cluster in the ClickHouse servers’ `remote_servers`, of one shard, on whose replicas the mirror is kept; one server when empty. See docs/scaling.md.',
    ),
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
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      description: 'Where traces go: a collector that speaks OTLP over HTTP; unset for no traces.',
      secret: true,
    }),
  OTEL_EXPORTER_OTLP_HEADERS: otlpHeaders.optional().meta({
    description: 'What the collector is sent with them, such as a key.',
    secret: 'whole',
    requires: ['OTEL_EXPORTER_OTLP_ENDPOINT'],
  }),
  OTEL_TRACES_SAMPLER_ARG: share
    .default(1)
    .describe('Share of the traces begun here that are kept; where a caller has decided, that counts.'),
};
