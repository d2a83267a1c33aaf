/**
 * The template of the route that an Express request took. Express keeps it for the last router only;
 * of the routers above it `baseUrl` is the path as it came, with the parameters' values in it. So we
 * listen where Express notes its way: when it enters a router, `params` holds what the mount path
 * matched, and from that the template is told.
 */
import type { Request } from 'express';

/** Stands for a mount path that nobody can name the template of. */
const MOUNTED = '/(mounted)';

interface Mount {
  readonly template: string;
  readonly params: Params;
}

/**
 * @param mountPath the template of where the middleware itself stands, if not at the root
 * @returns asked at the end: the template of the last route that matched, or null
 */
export function traceRoute(request: Request, mountPath: string | undefined): () => string | null {
  if (mountPath === undefined && request.baseUrl === '' && isFlat(request.app)) return flatRoute(request);
  const entry: Mount = { template: templateOfEntry(request, mountPath), params: { ...request.params } };
  const mounts = new Map([[request.baseUrl, entry]]);
  let baseUrl: string | undefined = request.baseUrl;
  let route: unknown = request.route;
  let matched: string | null = null;
  // `next` is no text once Express is through with a request that nothing answered.
  const noteMount = (next: string | undefined): void => {
    if (next === undefined || mounts.has(next)) return;
    const from = baseUrl ?? '';
    const above = mounts.get(from) ?? entry;
    const own = paramsBesides(request.params, above.params);
    const path = next.startsWith(from) ? named(next.slice(from.length), own) : null;
    mounts.set(next, { template: above.template + (path ?? MOUNTED), params: { ...request.params } });
  };
  Object.defineProperties(request, {
    baseUrl: {
      configurable: true,
      enumerable: true,
      get: () => baseUrl,
      set: (next: string | undefined) => {
        noteMount(next);
        baseUrl = next;
      },
    },
    route: {
      configurable: true,
      enumerable: true,
      get: () => route,
      set: (next: unknown) => {
        route = next;
        matched = joined(mounts.get(baseUrl ?? '')?.template ?? MOUNTED, pathOf(next));
      },
    },
  });
  // Middleware that answered inside of a router, as static files do: as much as is known.
  return () =>
    matched ?? ((baseUrl ?? '') === '' ? null : joined(mounts.get(baseUrl ?? '')?.template ?? MOUNTED, '/*'));
}

/** Nothing is mounted: the template is the route's own, and there is no way to follow. */
function flatRoute(request: Request): () => string | null {
  const before: unknown = request.route;
  return () => {
    const route: unknown = request.route;
    // It is no text once Express is through with a request that nothing answered.
    const baseUrl = request.baseUrl as string | undefined;
    // A middleware has called a router of its own by hand.
    if (baseUrl !== undefined && baseUrl !== '') return joined(MOUNTED, pathOf(route));
    return route === before ? null : pathOf(route);
  };
}

/** What Express 4 and 5 keep of a layer; not part of what they promise, so it may be missing. */
interface LayerLike {
  readonly name?: string;
  readonly route?: unknown;
  readonly slash?: boolean;
  readonly regexp?: object;
  readonly handle?: object;
}

interface AppLike {
  readonly _router?: { readonly stack?: readonly LayerLike[] };
  readonly router?: { readonly stack?: readonly LayerLike[] };
}

const flat = new WeakMap<object, { readonly layers: number; readonly isFlat: boolean }>();

/** Whether every layer of the app is a route of its own, or a middleware at the root; asked anew when one is added. */
function isFlat(app: AppLike): boolean {
  // Express 4 throws at `router`, and has `_router` by now.
  const stack = (app._router ?? app.router)?.stack;
  if (stack === undefined) return false;
  const known = flat.get(app);
  if (known?.layers === stack.length) return known.isFlat;
  const all = stack.every(standsAtRoot);
  flat.set(app, { layers: stack.length, isFlat: all });
  return all;
}

function standsAtRoot({ name, route, slash, regexp, handle }: LayerLike): boolean {
  if (route !== undefined) return true;
  const atRoot: unknown = slash ?? (regexp !== undefined && Reflect.get(regexp, 'fast_slash'));
  return atRoot === true && !isRouter(handle) && name !== 'mounted_app';
}

function isRouter(handle: object | undefined): boolean {
  return handle !== undefined && 'stack' in handle;
}

function templateOfEntry({ baseUrl, params }: Request, mountPath: string | undefined): string {
  if (mountPath !== undefined) return mountPath;
  if (baseUrl === '') return '';
  const template = named(baseUrl, params);
  return template === null || template === baseUrl ? MOUNTED : template;
}

/** What the mount path itself matched: routers that merge hand down the parameters of those above. */
function paramsBesides(params: Params, above: Params): Params {
  return Object.fromEntries(Object.entries(params).filter(([name, value]) => above[name] !== value));
}

function joined(mount: string, path: string): string {
  return path === '/' && mount !== '' ? mount : mount + path;
}

function pathOf(route: unknown): string {
  if (typeof route !== 'object' || route === null || !('path' in route)) return '/*';
  const { path } = route;
  const paths: readonly unknown[] = Array.isArray(path) ? path : [path];
  return paths.map((one) => (one instanceof RegExp ? `/${String(one)}` : String(one))).join('|');
}

type Params = Readonly<Record<string, unknown>>;

/**
 * The path with the values of the parameters replaced by their names: from the right, as what is fixed
 * comes first. Values that are not found whole are parts of a segment (`/:from-:to`).
 * @returns null where a value is not found: then the path may still hold it
 */
function named(path: string, params: Params): string | null {
  const segments = path.split('/').map(decoded);
  const parts: [name: string, value: string][] = [];
  for (const [name, value] of Object.entries(params).toReversed()) {
    const run = Array.isArray(value) ? value.map(String) : typeof value === 'string' ? value.split('/') : [];
    const at = lastRun(segments, run);
    if (at >= 0) segments.splice(at, run.length, run.length > 1 ? `*${name}` : `:${name}`);
    else if (run.length > 0) parts.push([name, run.join('/')]);
  }
  for (const [name, value] of parts) {
    const at = segments.findLastIndex((segment) => value !== '' && segment.includes(value));
    if (at < 0) return null;
    segments[at] = (segments[at] ?? '').replace(value, () => `:${name}`);
  }
  return segments.join('/');
}

/** Where the run of segments stands last; -1 where it does not, or is none. */
function lastRun(segments: readonly string[], run: readonly string[]): number {
  if (run.length === 0 || run[0] === '') return -1;
  for (let at = segments.length - run.length; at >= 0; at--)
    if (run.every((one, index) => segments[at + index] === one)) return at;
  return -1;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // Express refuses such a path with 400 by itself
  }
}
