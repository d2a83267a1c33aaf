/** The Lua scripts, and running them by digest. */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** What is needed of a connection; clients and clusters of `@redis/client` and `redis` have it. */
export interface RedisConnection {
  evalSha(digest: string, options: ScriptArguments): Promise<unknown>;
  eval(script: string, options: ScriptArguments): Promise<unknown>;
}

export interface ScriptArguments {
  keys: string[];
  arguments: string[];
}

export interface Script {
  readonly text: string;
  readonly digest: string;
}

export function script(text: string): Script {
  return { text, digest: hash('sha1', text, 'hex') };
}

function fromFiles(...names: readonly string[]): Script {
  return script(names.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')).join('\n'));
}

export interface Scripts {
  readonly charge: Script;
  readonly rebase: Script;
  readonly refund: Script;
  readonly renew: Script;
  readonly release: Script;
}

export const SCRIPTS: Scripts = {
  charge: fromFiles('common.lua', 'rate-steps.lua', 'charge.lua'),
  rebase: fromFiles('common.lua', 'rebase.lua'),
  refund: fromFiles('common.lua', 'refund.lua'),
  renew: fromFiles('common.lua', 'renew.lua'),
  release: fromFiles('release.lua'),
};

/** Sends the text only when the server does not have it, as after its restart. */
export async function runScript(
  connection: RedisConnection,
  { text, digest }: Script,
  options: ScriptArguments,
): Promise<unknown> {
  try {
    return await connection.evalSha(digest, options);
  } catch (error) {
    // The first word of an error is its code in Redis' protocol.
    if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return connection.eval(text, options);
    throw error;
  }
}
