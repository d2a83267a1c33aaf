/** The texts of templates: of a mount path from the parameters that it matched, of a route from what it was declared with. */

/** What a path matched, by name, in the order of the path. */
export type Params = readonly (readonly [name: string, value: unknown])[];

/** The last template of each route: most routes are mounted in one place, and asked for again and again. */
const known = new WeakMap<object, { readonly mount: string; readonly template: string }>();

/** @param mount the template of the router that the route stands in */
export function templateOf(mount: string, route: unknown): string {
  if (typeof route !== 'object' || route === null || !('path' in route)) return joined(mount, '/*');
  const last = known.get(route);
  if (last?.mount === mount) return last.template;
  const template = joined(mount, pathsOf(route.path));
  known.set(route, { mount, template });
  return template;
}

function pathsOf(path: unknown): string {
  const paths: readonly unknown[] = Array.isArray(path) ? path : [path];
  return paths.map((one) => (one instanceof RegExp ? `/${String(one)}` : String(one))).join('|');
}

export function joined(mount: string, path: string): string {
  return path === '/' && mount !== '' ? mount : mount + path;
}

/** What the mount path itself matched: routers that merge hand down the parameters of those above. */
export function paramsBesides(params: Params, above: Params): Params {
  if (params.length === 0 || above.length === 0) return params;
  return params.filter(
    ([name, value]) => !above.some(([other, before]) => other === name && before === value),
  );
}

/**
 * The path with the values of the parameters replaced by their names: from the right, as what is fixed
 * comes first. Values that are not found whole are parts of a segment (`/:from-:to`).
 * @returns null where a value is not found: then the path may still hold it
 */
export function named(path: string, params: Params): string | null {
  if (params.length === 0 && !path.includes('%')) return path;
  const segments = path.split('/').map(decoded);
  const parts: [name: string, value: string][] = [];
  for (const [name, value] of params.toReversed()) {
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
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // Express refuses such a path with 400 by itself
  }
}
