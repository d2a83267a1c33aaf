import type { IncomingHttpHeaders } from 'node:http';
import { randomUUID } from 'node:crypto';

/** One call of ClickHouse's HTTP interface, apart from its body. */
export interface QueryRequest {
  queryId: string;
  /** `?query=`; the body follows it. */
  query: string;
  database: string | undefined;
  defaultFormat: string;
  /** `param_*`: values for `{name:Type}`. */
  parameters: ReadonlyMap<string, string>;
  settings: ReadonlyMap<string, string>;
  session: { id: string; timeoutMs: number; mustExist: boolean } | undefined;
  compressResponse: boolean;
}

export class BadRequestError extends Error {
  override name = 'BadRequestError';
}

/** Parameters of the interface itself, which are no settings of the engine. */
const notSettings = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'session_id',
  'session_timeout',
  'session_check',
  'enable_http_compression',
  // Users and roles: there are none here.
  'user',
  'password',
  'role',
  'quota_key',
  // How a server buffers its answer; here small answers are whole and large ones are streamed.
  'buffer_size',
  'wait_end_of_query',
  'close_session',
  'compress',
  'decompress',
  'stacktrace',
]);

const settingName = /^[a-z][a-z0-9_.]*$/i;
const parameterName = /^[a-z_][a-z0-9_]*$/i;

export function parseQueryRequest(url: URL, headers: IncomingHttpHeaders): QueryRequest {
  const search = url.searchParams;
  for (const name of ['compress', 'decompress']) {
    if (search.get(name) === '1') {
      throw new BadRequestError(`${name}=1 (ClickHouse's own block compression) is not supported: use gzip`);
    }
  }
  const parameters = new Map<string, string>();
  const settings = new Map<string, string>();
  for (const [name, value] of search) {
    if (name.startsWith('param_')) parameters.set(checked(name.slice('param_'.length), parameterName), value);
    else if (!notSettings.has(name)) settings.set(checked(name, settingName), value);
  }
  const acceptsGzip = /\bgzip\b/.test(headers['accept-encoding'] ?? '');
  return {
    queryId: search.get('query_id') ?? randomUUID(),
    query: search.get('query') ?? '',
    database: search.get('database') ?? header(headers, 'x-clickhouse-database'),
    defaultFormat: checked(
      search.get('default_format') ?? header(headers, 'x-clickhouse-format') ?? 'TabSeparated',
      settingName,
    ),
    parameters,
    settings,
    session: parseSession(search),
    compressResponse: acceptsGzip && search.get('enable_http_compression') === '1',
  };
}

function parseSession(search: URLSearchParams): QueryRequest['session'] {
  const id = search.get('session_id');
  if (id === null) return undefined;
  const timeoutSeconds = Number(search.get('session_timeout') ?? 60);
  if (!(timeoutSeconds > 0 && timeoutSeconds <= 3600)) {
    throw new BadRequestError('session_timeout must be between 1 and 3600 seconds');
  }
  return { id, timeoutMs: timeoutSeconds * 1000, mustExist: search.get('session_check') === '1' };
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function checked(name: string, pattern: RegExp): string {
  if (!pattern.test(name)) throw new BadRequestError(`Not a name: ${JSON.stringify(name)}`);
  return name;
}
