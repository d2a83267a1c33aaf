/**
 * The way that an Express request takes through mounted routers, told as a template. Express keeps the
 * template for the last router only; of those above it `baseUrl` is the path as it came, with the
 * parameters' values in it. But when it enters a router, `params` holds what the mount path matched.
 */
import { joined, named, paramsBesides, templateOf, type Params } from './route-template.ts';

/** Stands for a mount path that nobody can name the template of. */
const MOUNTED = '/(mounted)';

interface Mount {
  readonly baseUrl: string;
  readonly template: string;
  readonly params: Params;
}

/** Where Express is, as far as requests say it; `baseUrl` is no text once it is through with one that nothing answered. */
export interface Place {
  readonly baseUrl: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
}

export class Way {
  /** The routers that the request is in, outermost first; the first is where the way begins. */
  readonly #mounts: [Mount, ...Mount[]];
  #matched: string | null = null;

  /** @param mountPath the template of where the way begins, if not at the root */
  constructor({ baseUrl = '', params: matched }: Place, mountPath: string | undefined) {
    // Nothing above the root has matched any.
    const params = baseUrl === '' ? [] : Object.entries(matched);
    this.#mounts = [{ baseUrl, template: mountPath ?? templateOfStart(baseUrl, params), params }];
  }

  /** Express has entered a router, or gone back to one. */
  moveTo({ baseUrl, params: matched }: Place): void {
    const mounts = this.#mounts;
    const here = this.#here();
    if (baseUrl === here.baseUrl) return;
    const known = mounts.findLastIndex((mount) => mount.baseUrl === baseUrl);
    if (known >= 0 || baseUrl === undefined) {
      mounts.length = Math.max(1, known + 1);
      return;
    }
    // As they are now: handlers may change them.
    const params = Object.entries(matched);
    const path = baseUrl.startsWith(here.baseUrl)
      ? named(baseUrl.slice(here.baseUrl.length), paramsBesides(params, here.params))
      : null;
    mounts.push({ baseUrl, template: here.template + (path ?? MOUNTED), params });
  }

  /** A route has matched where the request is. */
  match(route: unknown): void {
    this.#matched = templateOf(this.#here().template, route);
  }

  /** The template of the last route that matched; null where none did. */
  template(): string | null {
    if (this.#matched !== null) return this.#matched;
    // Middleware that answered inside of a router, as static files do: as much as is known.
    const { baseUrl, template } = this.#here();
    return baseUrl === '' ? null : joined(template, '/*');
  }

  #here(): Mount {
    return this.#mounts.at(-1) ?? this.#mounts[0];
  }
}

function templateOfStart(baseUrl: string, params: Params): string {
  if (baseUrl === '') return '';
  const template = named(baseUrl, params);
  return template === null || template === baseUrl ? MOUNTED : template;
}
