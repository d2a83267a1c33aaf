/**
 * Where a webhook may be sent. The name is resolved, every address that it has is checked, and what is
 * called afterwards is one of those very addresses: a name that answers differently the next moment
 * changes nothing. Checked when a webhook is made, and again at every attempt.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isPublic, isWithin, type Network } from './networks.ts';

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a name; rejects where it has none. */
export type Resolve = (hostname: string) => Promise<readonly Address[]>;

export const systemResolve: Resolve = async (hostname) => {
  const found = await lookup(hostname, { all: true, order: 'verbatim' });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
};

export interface Target {
  readonly url: URL;
  /** Checked; not empty. */
  readonly addresses: readonly Address[];
}

/** Why not, safe to show: it does not tell what a name resolves to within our network. */
export class ForbiddenTargetError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ForbiddenTargetError';
  }
}

export const MAX_URL_LENGTH = 2_048;
const NOT_PUBLIC = 'its host must resolve, and to public addresses only';

export interface TargetRules {
  readonly resolve: Resolve;
  readonly resolveTimeoutMs: number;
  /**
   * Networks that may be called although they are not public, and by plain http too: for tests and for
   * receivers beside us. Empty by default.
   */
  readonly allowedNetworks: readonly Network[];
}

/** @throws ForbiddenTargetError */
export async function checkTarget(text: string, rules: TargetRules): Promise<Target> {
  const url = checkedUrl(text);
  const addresses = await addressesOf(url, rules);
  const allowed = addresses.map(({ address }) => isWithin(address, rules.allowedNetworks));
  if (url.protocol === 'http:' && !allowed.every(Boolean)) throw new ForbiddenTargetError('it must be https');
  if (!addresses.every(({ address }, index) => allowed[index] === true || isPublic(address)))
    throw new ForbiddenTargetError(NOT_PUBLIC);
  return { url, addresses };
}

function checkedUrl(text: string): URL {
  const url = text.length <= MAX_URL_LENGTH && URL.canParse(text) ? new URL(text) : null;
  if (url === null)
    throw new ForbiddenTargetError(`it must be a URL of at most ${MAX_URL_LENGTH} characters`);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new ForbiddenTargetError('it must be https');
  if (url.username !== '' || url.password !== '')
    throw new ForbiddenTargetError('it must not hold a user or a password: messages are signed');
  return url;
}

async function addressesOf(
  url: URL,
  { resolve, resolveTimeoutMs }: TargetRules,
): Promise<readonly Address[]> {
  // The URL has already put 127.1 and 0x7f000001 in the usual form.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(host);
  if (family === 4 || family === 6) return [{ address: host, family }];
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer in time')), resolveTimeoutMs);
  try {
    const found = await Promise.race([resolve(host), late.promise]);
    if (found.length === 0) throw new Error('no address');
    return found;
  } catch (error) {
    throw new ForbiddenTargetError(NOT_PUBLIC, error);
  } finally {
    clearTimeout(timer);
  }
}
