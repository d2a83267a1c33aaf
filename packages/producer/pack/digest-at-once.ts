/**
 * CommonJS cannot wait while it loads, and the digest of events is WebAssembly which is compiled in the
 * background. It is small: in the pack it is compiled at once. Hence it is the one dependency that is bundled.
 */
import type { Rolldown } from 'tsdown';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const REPLACED = [
  {
    module: '/xxhash-wasm/esm/xxhash-wasm.js',
    texts: [
      ['async function e()', 'function e()'],
      ['(await WebAssembly.instantiate(t)).instance', 'new WebAssembly.Instance(new WebAssembly.Module(t))'],
    ],
  },
  {
    module: '/packages/usage/src/identity.ts',
    texts: [['await createXxhash()', 'createXxhash()']],
  },
] as const;

export const BUNDLED = 'xxhash-wasm';

/** It is handed on, so its licence goes along. */
export function licenseOfBundled(): string {
  const require = createRequire(new URL('../../usage/package.json', import.meta.url));
  return join(dirname(dirname(require.resolve(BUNDLED))), 'LICENSE.md');
}

/** @throws where the code is not as it was when this was written */
export function digestAtOnce(): Rolldown.Plugin {
  return {
    name: 'digest-at-once',
    transform(code, id) {
      const replaced = REPLACED.find(({ module }) => id.endsWith(module));
      if (replaced === undefined) return null;
      let changed = code;
      for (const [from, to] of replaced.texts) {
        if (!changed.includes(from)) throw new Error(`${id} does not say ${from} any more`);
        changed = changed.replace(from, to);
      }
      return { code: changed, map: null };
    },
  };
}
