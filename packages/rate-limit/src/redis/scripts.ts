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

export const CHARGE_SCRIPT = script(readFileSync(new URL('charge.lua', import.meta.url), 'utf8'));
export const REBASE_SCRIPT = script(readFileSync(new URL('rebase.lua', import.meta.url), 'utf8'));

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
