/** An error as the one line that a person needs: what went wrong, and what to do next. */
import { ApiError, ApiUnreachableError } from '@meterhouse/client';
import { RegistryError } from '@meterhouse/kafka';
import { errorCode, isRetryable } from '@meterhouse/postgres';
import { ConfigError, DeadlineError } from '@meterhouse/runtime';
import { CommandError } from './exit.ts';

export function explain(error: unknown): string {
  if (error instanceof CommandError)
    return error.next === null ? error.message : `${error.message}; ${error.next}`;
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ApiError) return explainRefusal(error);
  if (error instanceof ApiUnreachableError)
    return `${error.message} (${causeOf(error)}); is it running, and is that its address?`;
  // Each of its problems has a line.
  if (error instanceof ConfigError) return error.message;
  if (error instanceof RegistryError) return `${error.message}; ${adviceOn(error)}`;
  if (error instanceof DeadlineError) return `${error.message}; see "meterhouse lag"`;
  const known = BY_CODE[errorCode(error)];
  if (known !== undefined) return `${firstLine(error)}; ${known}`;
  if (isRetryable(error)) return `${firstLine(error)}; try again`;
  return `${firstLine(error)}; LOG_LEVEL=debug shows where it comes from`;
}

/** With every field that is wrong, and what to quote where it is not the caller's fault. */
function explainRefusal(error: ApiError): string {
  const fields = error.errors.map(({ field, detail }) => `\n  ${field}: ${detail}`).join('');
  const said = `${error.message}${error.errors.length > 1 ? fields : ''}`;
  if (error.status === 401) return `${said}; check METERHOUSE_API_KEY or --api-key-file`;
  if (error.status === 403) return `${said}; "meterhouse keys create" makes a key with another role`;
  if (error.retryAfterMs !== null) return `${said}; try again in ${Math.ceil(error.retryAfterMs / 1_000)} s`;
  if (error.status >= 500) return `${said}; its log has it under ${error.correlationId ?? 'no id'}`;
  return said;
}

/** What Node says of a connection stands a level deeper. */
function causeOf({ cause }: Error): string {
  if (!(cause instanceof Error)) return 'no answer';
  const code = errorCode(cause.cause ?? cause);
  return code === 'unknown' ? cause.message : code;
}

function adviceOn(error: RegistryError): string {
  if (error.canRetry) return 'is it running? Check SCHEMA_REGISTRY_URL';
  return error.status === 401 || error.status === 403
    ? 'check SCHEMA_REGISTRY_URL'
    : "the subject's schemas have to be looked at";
}

/** SQLSTATEs, and codes of the system. */
const BY_CODE: Readonly<Record<string, string>> = {
  '42501':
    'the login role of DATABASE_URL needs membership in meterhouse_reader and meterhouse_operator (GRANT meterhouse_operator TO ...)',
  '28P01': 'check the user and password in DATABASE_URL',
  '28000': 'check the user in DATABASE_URL',
  '3D000': 'check the database in DATABASE_URL, or create it',
  '42P01': 'run "meterhouse migrate"',
  '3F000': 'run "meterhouse migrate"',
  '57014': 'it took too long: narrow the question',
  ENOENT: 'check the path',
  EACCES: 'check the rights on the file',
  EISDIR: 'name a file, not a folder',
};

function firstLine(error: Error): string {
  return error.message.split('\n')[0] ?? error.name;
}
