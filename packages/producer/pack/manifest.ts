/** The package.json that is published, from the workspace's own and what the bundles import. Pure. */
import { isBuiltin } from 'node:module';

export interface OwnManifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  /** All of them optional. */
  readonly peerDependencies: Readonly<Record<string, string>>;
}

export interface Entry {
  /** As in `@meterhouse/producer/express`; `.` for the package itself. */
  readonly subpath: string;
  /** Of the built files. */
  readonly name: string;
  readonly source: string;
}

/** Not for others. */
const OWN_SUBPATHS = new Set(['./testing', './spool']);
/** Loaded by the adapter, reader or cache that needs them, and installed by whoever chooses that. */
const CLIENTS = new Set(['@kafkajs/confluent-schema-registry', '@redis/client', 'avsc', 'kafkajs', 'pg']);

export function publicEntries({ exports }: Pick<OwnManifest, 'exports'>): Entry[] {
  return Object.entries(exports)
    .filter(([subpath]) => !OWN_SUBPATHS.has(subpath))
    .map(([subpath, source]) => ({
      subpath,
      name: subpath === '.' ? 'index' : subpath.slice(2),
      source,
    }));
}

/**
 * @param imported what the built files import, relative paths included
 * @param versions of packages, as our own sources depend on them
 * @throws where they import what none of our packages depends on
 */
export function publishedManifest(
  own: OwnManifest,
  entries: readonly Entry[],
  imported: ReadonlySet<string>,
  versions: Readonly<Record<string, string>>,
): object {
  const packages = new Set(
    [...imported]
      .filter((id) => !id.startsWith('.') && !id.endsWith('.cjs') && !isBuiltin(id))
      .map(packageOf),
  );
  const dependencies: Record<string, string> = {};
  const peers: Record<string, string> = { ...own.peerDependencies };
  for (const name of [...packages].sort()) {
    const version = versions[name];
    if (version === undefined) throw new Error(`the built files import ${name}, which no package.json names`);
    if (CLIENTS.has(name)) peers[name] ??= `^${version}`;
    else dependencies[name] = `^${version}`;
  }
  return {
    name: own.name,
    version: own.version,
    description:
      'Hands usage events to Meterhouse: exact, never in the way, and nothing lost without a word.',
    license: 'UNLICENSED',
    type: 'commonjs',
    // require() of modules, which some dependencies are, and node:sqlite without a flag.
    engines: { node: '>=22.13.0' },
    main: './index.cjs',
    types: './index.d.cts',
    exports: {
      ...Object.fromEntries(entries.map(({ subpath, name }) => [subpath, conditions(name)])),
      './package.json': './package.json',
    },
    sideEffects: false,
    dependencies,
    peerDependencies: peers,
    peerDependenciesMeta: Object.fromEntries(Object.keys(peers).map((name) => [name, { optional: true }])),
  };
}

function conditions(name: string): object {
  return {
    import: { types: `./${name}.d.mts`, default: `./${name}.mjs` },
    require: { types: `./${name}.d.cts`, default: `./${name}.cjs` },
  };
}

/** `@redis/client/dist/x` is of `@redis/client`. */
function packageOf(id: string): string {
  return id
    .split('/')
    .slice(0, id.startsWith('@') ? 2 : 1)
    .join('/');
}
