/** Which addresses may be called. Closed: only what is known to be public, and what was configured. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/**
 * @param text such as `127.0.0.1/32` or `fd00::/8`
 * @throws RangeError for anything else
 */
export function parseNetwork(text: string): Network {
  try {
    return ipaddr.parseCIDR(text);
  } catch (error) {
    throw new RangeError(`${text} is not a network like 10.1.0.0/16`, { cause: error });
  }
}

/** Of the addresses that are public by their range, those that a cloud answers itself. */
const CLOUD_OWN = [parseNetwork('168.63.129.16/32')];
/** All that is routed in IPv6 today; the rest of "unicast" also holds IPv4 addresses in an old disguise. */
const GLOBAL_IPV6 = parseNetwork('2000::/3');

/** Loopback, private, link-local, shared, multicast, tunnelled and reserved ones are not public. */
export function isPublic(address: string): boolean {
  const parsed = parsedAddress(address);
  if (parsed?.range() !== 'unicast') return false;
  if (parsed.kind() === 'ipv6' && !isIn(parsed, [GLOBAL_IPV6])) return false;
  return !isIn(parsed, CLOUD_OWN);
}

export function isWithin(address: string, networks: readonly Network[]): boolean {
  const parsed = parsedAddress(address);
  return parsed !== null && isIn(parsed, networks);
}

/** An IPv4 address in IPv6 notation is the IPv4 address. The library would also take 127.1 for an address. */
function parsedAddress(address: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  return isIP(address) === 0 ? null : ipaddr.process(address);
}

function isIn(parsed: ipaddr.IPv4 | ipaddr.IPv6, networks: readonly Network[]): boolean {
  return networks.some((network) => network[0].kind() === parsed.kind() && parsed.match([...network]));
}
