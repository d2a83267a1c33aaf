/** Builds the package for others: see docs/adr/0030-the-packed-producer.md. */
import { build as bundle } from 'tsdown';
import { cp, glob, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUNDLED, digestAtOnce, licenseOfBundled } from './digest-at-once.ts';
import { doorsForImport, typesOfDoor } from './doors.ts';
import { FILES_BESIDE, filesBeside } from './files-beside.ts';
import { publicEntries, publishedManifest, type OwnManifest } from './manifest.ts';

const PACKAGE = fileURLToPath(new URL('../', import.meta.url));

/** @param folder is emptied, and holds the package when it resolves */
export async function build(own: OwnManifest, folder: string): Promise<void> {
  const entries = publicEntries(own);
  await rm(folder, { recursive: true, force: true });
  const { bundles } = await bundle({
    config: false,
    cwd: PACKAGE,
    entry: Object.fromEntries(entries.map(({ name, source }) => [name, source])),
    outDir: folder,
    format: 'cjs',
    platform: 'node',
    target: 'node22.13',
    fixedExtension: true,
    dts: { sourcemap: false, tsc: { eager: true } },
    tsconfig: join(PACKAGE, 'pack/tsconfig.json'),
    sourcemap: false,
    clean: false,
    hash: false,
    logLevel: 'error',
    // Our modules do nothing when they are loaded: what a chunk does not use is not in it.
    treeshake: { moduleSideEffects: false },
    deps: {
      alwaysBundle: [/^@meterhouse\//, BUNDLED],
      neverBundle: (id) => id !== BUNDLED && !/^(@meterhouse\/|[./\0])/.test(id),
      onlyBundle: false,
    },
    plugins: [filesBeside(), digestAtOnce(), doorsForImport()],
  });
  const imported = bundles.flatMap(({ chunks }) =>
    chunks.flatMap((chunk) =>
      chunk.type === 'chunk' && chunk.fileName.endsWith('.cjs')
        ? [...chunk.imports, ...chunk.dynamicImports]
        : [],
    ),
  );
  const manifest = publishedManifest(own, entries, new Set(imported), await versionsInUse());
  await Promise.all([
    ...entries.map(({ name }) => writeFile(join(folder, `${name}.d.mts`), typesOfDoor(name))),
    ...FILES_BESIDE.map(({ from, to }) => cp(from, join(folder, to), { recursive: true })),
    writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`),
    cp(licenseOfBundled(), join(folder, `licenses/${BUNDLED}.md`)),
    cp(join(PACKAGE, 'README.md'), join(folder, 'README.md')),
  ]);
}

/** What our packages depend on, which is what their code was tested with. */
async function versionsInUse(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for await (const path of glob('../*/package.json', { cwd: PACKAGE })) {
    const text = await readFile(join(PACKAGE, path), 'utf8');
    Object.assign(versions, (JSON.parse(text) as Partial<OwnManifest>).dependencies);
  }
  return versions;
}
