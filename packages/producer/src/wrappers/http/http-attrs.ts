/** What the usage of an HTTP exchange is told apart by: the same few objects over and over. */
import { METHODS } from 'node:http';
import type { Exchange } from './exchange.ts';

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);

type Attrs = Readonly<Record<string, string>>;

/** @returns the frozen attributes of an exchange on a route; as many routes are kept as are asked about */
export function createHttpAttrs(): (exchange: Exchange, route: string) => Attrs {
  const routes = new Map<string, Map<string, Attrs[]>>();
  return ({ method: given, status, complete }, route) => {
    const method = KNOWN_METHODS.has(given) ? given : 'OTHER';
    const methods = routes.get(route) ?? new Map<string, Attrs[]>();
    const kept = methods.get(method) ?? [];
    const statusClass = status === null ? 0 : Math.floor(status / 100);
    const at = statusClass * 2 + Number(complete);
    let attrs = kept[at];
    if (attrs === undefined) {
      attrs = Object.freeze({
        ...{ method, route },
        status: status === null ? 'none' : `${statusClass}xx`,
        outcome: complete ? 'complete' : 'aborted',
      });
      kept[at] = attrs;
      routes.set(route, methods.set(method, kept));
    }
    return attrs;
  };
}
