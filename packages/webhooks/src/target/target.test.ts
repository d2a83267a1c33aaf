/**
 * Guarantees: a URL is https, without credentials, and every address of its host may be called; an address
 * in another spelling is the same address; plain http goes to allowed networks only; a name that has no
 * address, or does not answer in time, may not be called; why not says nothing of what a name resolves to.
 */
import { expect, test } from 'vitest';
import { parseNetwork } from './networks.ts';
import { checkTarget, ForbiddenTargetError, type Address, type TargetRules } from './target.ts';

const v4 = (address: string): Address => ({ address, family: 4 });
const rules = (addresses: readonly Address[], networks: readonly string[] = []): TargetRules => ({
  resolve: () => Promise.resolve(addresses),
  resolveTimeoutMs: 50,
  allowedNetworks: networks.map(parseNetwork),
});
const refusal = async (url: string, by: TargetRules): Promise<string> => {
  try {
    await checkTarget(url, by);
    return 'allowed';
  } catch (error) {
    if (error instanceof ForbiddenTargetError) return error.message;
    throw error;
  }
};
const PUBLIC = rules([v4('93.184.216.34'), { address: '2606:4700::1111', family: 6 }]);
const NOT_PUBLIC = 'its host must resolve, and to public addresses only';

test('what is public is allowed, at the addresses that were checked', async () => {
  const { addresses } = await checkTarget('https://example.com/hook?a=1', PUBLIC);
  expect(addresses.map(({ address }) => address)).toEqual(['93.184.216.34', '2606:4700::1111']);
  expect(await refusal('https://8.8.8.8:8443/', rules([]))).toBe('allowed');
});

test.each([
  ['http://example.com/', 'it must be https'],
  ['ftp://example.com/', 'it must be https'],
  ['file:///etc/passwd', 'it must be https'],
  ['https://user:word@example.com/', 'it must not hold a user or a password: messages are signed'],
  ['example.com', 'it must be a URL of at most 2048 characters'],
  [`https://example.com/${'a'.repeat(2_048)}`, 'it must be a URL of at most 2048 characters'],
  ...[
    ...['127.0.0.1', '127.1', '0x7f.1', '2130706433', '017700000001', '[::1]', '[::ffff:7f00:1]', '0'],
    ...['169.254.169.254', '[fd00:ec2::254]', '[fe80::1]', '10.0.0.1'],
  ].map((host): [string, string] => [`https://${host}/`, NOT_PUBLIC]),
])('%s is refused', async (url, why) => {
  expect(await refusal(url, PUBLIC)).toBe(why);
});

test('one address of many that is not public forbids the name', async () => {
  expect(await refusal('https://a.example/', rules([v4('8.8.8.8'), v4('10.0.0.1')]))).toBe(NOT_PUBLIC);
});

test('a name without an address, or without an answer in time, is refused alike', async () => {
  const none = rules([]);
  const fails = { ...none, resolve: () => Promise.reject(new Error('ENOTFOUND')) };
  const hangs = { ...none, resolve: () => new Promise<never>(() => undefined) };
  for (const by of [none, fails, hangs]) expect(await refusal('https://a.example/', by)).toBe(NOT_PUBLIC);
});

test('an allowed network may be called by http too, and only it', async () => {
  const networks = ['10.1.0.0/16'];
  expect(await refusal('http://a.example/', rules([v4('10.1.2.3')], networks))).toBe('allowed');
  expect(await refusal('https://a.example/', rules([v4('10.2.2.3')], networks))).toBe(NOT_PUBLIC);
  expect(await refusal('http://a.example/', rules([v4('10.1.2.3'), v4('8.8.8.8')], networks))).toBe(
    'it must be https',
  );
});
