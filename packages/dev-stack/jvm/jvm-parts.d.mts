export interface JvmParts {
  /** The broker's class path, ready for `java -cp`. */
  kafkaClassPath: string;
  /** The folder that the registry's archive was unpacked into. */
  registryDir: string;
}

/** Where downloads that outlive a data dir are kept. */
export function cacheDirectory(env: Readonly<Record<string, string | undefined>>): string;

/** Resolves both through Maven when they are not in the cache yet. */
export function ensureJvmParts(options: { cacheDir: string; say: (line: string) => void }): Promise<JvmParts>;

/** The class path of what a pom depends on; resolved through Maven when it is not in the cache yet. */
export function ensureClassPath(options: {
  /** Its folder in the cache. */
  name: string;
  what: string;
  pom: string;
  cacheDir: string;
  say: (line: string) => void;
}): Promise<string>;
