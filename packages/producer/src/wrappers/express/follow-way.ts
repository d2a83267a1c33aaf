/**
 * Follows the way of requests by listening where Express notes it: on `baseUrl` and `route`. We listen on
 * `express.request`, which all requests of an Express inherit from, and not on each request: accessors of
 * its own make a request's shape its own too, which costs at every access that anybody makes to it.
 */
import { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import { Way, type Place } from './way.ts';

/**
 * Their names say the form of what they hold: a process may have the package twice, as bundled and as
 * installed, and whichever listens first tells the other's ways too.
 */
const WAY = Symbol.for('meterhouse.express-way.1');
const BASE_URL = Symbol.for('meterhouse.express-base-url.1');
const ROUTE = Symbol.for('meterhouse.express-route.1');

interface Followed extends Place {
  [WAY]?: Way;
  [BASE_URL]?: string | undefined;
  [ROUTE]?: unknown;
}

/**
 * Follows a request from here on.
 * @param mountPath the template of where the middleware itself stands, if not at the root
 */
export function followWay(request: Request, mountPath: string | undefined): Way {
  if (!(WAY in request)) listenOn(expressRequestOf(request) ?? request);
  // It came in before we listened.
  if (Object.hasOwn(request, 'baseUrl')) listenOn(request);
  const way = new Way(request, mountPath);
  (request as Followed)[WAY] = way;
  return way;
}

function listenOn(target: object): void {
  const { baseUrl, route } = target as { baseUrl?: string; route?: unknown };
  Object.defineProperties(target, {
    [WAY]: { configurable: true, writable: true, value: undefined },
    [BASE_URL]: { configurable: true, writable: true, value: baseUrl },
    [ROUTE]: { configurable: true, writable: true, value: route },
    baseUrl: {
      configurable: true,
      enumerable: true,
      get(this: Followed) {
        return this[BASE_URL];
      },
      set(this: Followed, next: string | undefined) {
        this[BASE_URL] = next;
        this[WAY]?.moveTo(this);
      },
    },
    route: {
      configurable: true,
      enumerable: true,
      get(this: Followed) {
        return this[ROUTE];
      },
      set(this: Followed, next: unknown) {
        this[ROUTE] = next;
        this[WAY]?.match(next);
      },
    },
  });
}

/** What the package `express` exports as `request`; null where the request is none of Express's own. */
function expressRequestOf(request: Request): object | null {
  let proto = Object.getPrototypeOf(request) as object | null;
  while (proto !== null) {
    const above = Object.getPrototypeOf(proto) as object | null;
    if (above === IncomingMessage.prototype) return proto;
    proto = above;
  }
  return null;
}
