/** Clients of brokers and stores are installed by whoever chooses them, and loaded where they are. */

const NOT_FOUND = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']);

/**
 * @param what needs them, in the words of the configuration
 * @throws Error (as a rejection) that says what to install, where Node does not find a module
 */
export async function needing<T>(
  what: string,
  packages: readonly string[],
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (typeof code !== 'string' || !NOT_FOUND.has(code)) throw error;
    throw new Error(`${what} needs what is not installed: npm install ${packages.join(' ')}`, {
      cause: error,
    });
  }
}

/** What `@meterhouse/kafka` is made on. */
export const KAFKA_CLIENT = ['kafkajs', '@kafkajs/confluent-schema-registry', 'avsc'] as const;
