/**
 * Guarantees: of all addresses only those are public that are known to be; loopback, private, link-local,
 * shared, multicast, reserved, documentation and cloud metadata addresses are not, in IPv4, in IPv6, and
 * as IPv4 in any IPv6 disguise; what is no address is not public either.
 */
import { expect, test } from 'vitest';
import { isPublic, isWithin, parseNetwork } from './networks.ts';

const IPV4 = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.254'],
  ...[
    '168.63.129.16',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.8',
    '192.0.2.1',
    '192.88.99.1',
  ],
  ...[
    '192.168.1.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
  ],
];
const hex = (address: string): string =>
  address
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')
    .replace(/^(....)/, '$1:');

test.each(IPV4)('%s is not public, nor in IPv6 notation, nor behind a translator or tunnel', (address) => {
  for (const disguise of [
    ...[address, `::ffff:${address}`, `::${address}`, `::${hex(address)}`, `64:ff9b::${hex(address)}`],
    ...[`64:ff9b:1::${hex(address)}`, `2002:${hex(address)}::1`, `::ffff:0:${hex(address)}`],
  ])
    expect([disguise, isPublic(disguise)]).toEqual([disguise, false]);
});

test.each([
  ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '100::1'],
  ...[
    '2001::1',
    '2001:db8::1',
    '3fff::1',
    '5f00::1',
    '4000::1',
    '1::1',
    'localhost',
    '',
    '1.2.3',
    '8.8.8.8/8',
  ],
])('%s is not public', (address) => {
  expect(isPublic(address)).toBe(false);
});

test.each(['8.8.8.8', '1.1.1.1', '::ffff:8.8.8.8', '2606:4700:4700::1111', '2a00:1450:4001::1'])(
  '%s is public',
  (address) => {
    expect(isPublic(address)).toBe(true);
  },
);

test('a network holds its addresses in both notations, and nothing else is a network', () => {
  const networks = [parseNetwork('127.0.0.0/8'), parseNetwork('fd00::/8')];
  for (const inside of ['127.0.0.1', '::ffff:127.0.0.1', 'fd12::1'])
    expect([inside, isWithin(inside, networks)]).toEqual([inside, true]);
  for (const outside of ['128.0.0.1', 'fe80::1', '', 'localhost'])
    expect([outside, isWithin(outside, networks)]).toEqual([outside, false]);
  for (const text of ['', '127.0.0.1', '10.0.0.0/33', 'all', '::/129'])
    expect(() => parseNetwork(text)).toThrow(RangeError);
});
