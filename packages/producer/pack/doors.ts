/**
 * The code is built once, as CommonJS; what `import` finds is a door to the same modules. So a process that
 * both imports and requires the package has one of everything: classes for `instanceof`, caches, contexts.
 */
import type { Rolldown } from 'tsdown';

/** For each entry, `<name>.mjs` beside `<name>.cjs`, with its exports by name. */
export function doorsForImport(): Rolldown.Plugin {
  return {
    name: 'doors-for-import',
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk' || !chunk.isEntry || !chunk.fileName.endsWith('.cjs')) continue;
        const source = `export { ${chunk.exports.toSorted().join(', ')} } from './${chunk.fileName}';\n`;
        this.emitFile({ type: 'asset', fileName: `${chunk.name}.mjs`, source });
      }
    },
  };
}

/** Types come from `<name>.d.cts`, by the same way. */
export function typesOfDoor(name: string): string {
  return `export * from './${name}.cjs';\n`;
}
