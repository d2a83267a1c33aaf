/** Files that bundled code reads from its own folder: the pack holds them, where the bundled code looks. */
import type { Rolldown } from 'tsdown';
import { fileURLToPath } from 'node:url';

/** What the sources say, and where it lies in the repository and in the pack. */
const FOLDERS = [
  { said: '../../../schemas/avro/', in: 'schemas/avro/', module: '/packages/kafka/src/codec-schemas.ts' },
] as const;

/** Modules that say where they are to look for an installed package, and for no file. */
const REQUIRERS = ['/packages/producer/src/traces.ts'];

const REPOSITORY = new URL('../../../', import.meta.url);

/** Folders of the repository that the pack needs, by their place in it. */
export const FILES_BESIDE = FOLDERS.map((folder) => ({
  from: fileURLToPath(new URL(folder.in, REPOSITORY)),
  to: folder.in,
}));

/** @throws where a bundled module looks for a file that the pack would not hold */
export function filesBeside(): Rolldown.Plugin {
  return {
    name: 'files-beside',
    transform(code, id) {
      const own = id.includes('/node_modules/') ? null : FOLDERS.find(({ module }) => id.endsWith(module));
      if (own === undefined || own === null) return null;
      if (!code.includes(`'${own.said}'`)) throw new Error(`${id} does not read ${own.said} any more`);
      return { code: code.replace(`'${own.said}'`, `'./${own.in}'`), map: null };
    },
    renderChunk(code, chunk) {
      // Rolldown writes import.meta.url so in CommonJS.
      const looks = code.split('pathToFileURL(__filename)').length - 1;
      const modules = [...FOLDERS.map(({ module }) => module), ...REQUIRERS];
      const known = chunk.moduleIds.filter((id) => modules.some((module) => id.endsWith(module))).length;
      if (looks > known)
        throw new Error(`${chunk.fileName} looks for files beside itself: name them in ${import.meta.url}`);
      return null;
    },
  };
}
