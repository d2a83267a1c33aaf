import { z } from 'zod';

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

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

/** The variables that say where the stores are, the same for every service and the command. */
export const storeVariables = {
  KAFKA_BROKERS: list.pipe(z.array(z.string()).min(1)),
  SCHEMA_REGISTRY_URL: z.url(),
  DATABASE_URL: z.url(),
  CLICKHOUSE_URL: z.url(),
  CLICKHOUSE_DATABASE: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/)
    .default('meterhouse'),
  USAGE_EVENTS_TOPIC: z.string().min(1).default('usage_events'),
  USAGE_SNAPSHOTS_TOPIC: z.string().min(1).default('usage_snapshots'),
  QUOTA_DECISIONS_TOPIC: z.string().min(1).default('quota_decisions'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
};

/** A whole number within bounds, as a variable's text. */
export function wholeNumber(
  min: number,
  max: number,
): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  return z.string().transform((text, context) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value >= min && value <= max) return value;
    context.addIssue({ code: 'custom', message: `must be a whole number from ${min} to ${max}` });
    return z.NEVER;
  });
}
