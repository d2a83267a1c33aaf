/** Routes as attributes: templates only, and no more of them than a bound. */
import { EVENT_LIMITS } from '@meterhouse/usage';
import type { Problems } from '../problems.ts';

/** Where no route matched: scanners ask for anything. */
const UNMATCHED = '(unmatched)';
const OTHER = '(other)';

export function createRouteNames(maxRoutes: number, problems: Problems): (route: string | null) => string {
  const known = new Map<string, string>();
  return (route) => {
    if (route === null || route === '') return UNMATCHED;
    const name = known.get(route);
    if (name !== undefined) return name;
    if (known.size >= maxRoutes) {
      problems.report('too_many_routes', `more than ${maxRoutes} routes: counted as ${OTHER}`);
      return OTHER;
    }
    const text = route.slice(0, EVENT_LIMITS.attrValueLength).toWellFormed().replaceAll('\0', '');
    known.set(route, text);
    return text;
  };
}
