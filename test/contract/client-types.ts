/** The types of @meterhouse/client, out of the API's own document. */
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript';
import type { ApiDocument, Operation } from './document.ts';

export const TYPES_PATH = fileURLToPath(
  new URL('../../packages/client/src/openapi.generated.ts', import.meta.url),
);

const HEAD = `/** Generated from the API's OpenAPI document by: npm run client:generate */
/* eslint-disable */
`;

export async function clientTypes(document: ApiDocument): Promise<string> {
  const nodes = await openapiTS(withoutWhatIsNotTyped(document) as unknown as OpenAPI3, {
    // Lists that are readonly can be sent as they are.
    immutable: true,
    // What has a default may be left out of a request.
    defaultNonNullable: false,
    silent: true,
  });
  return `${HEAD}${astToString(nodes)}`;
}

/**
 * Every error is a problem, which the client throws as one class; schemas that nothing refers to are only
 * in the way.
 */
function withoutWhatIsNotTyped(document: ApiDocument): object {
  const paths = mapValues(document.paths, (methods) =>
    mapValues(methods, (operation): Operation => ({
      ...operation,
      responses: Object.fromEntries(
        Object.entries(operation.responses).filter(([status]) => status.startsWith('2')),
      ),
    })),
  );
  const { schemas } = document.components;
  const used = new Set<string>();
  const visit = (part: unknown): void => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      visit(schemas[name]);
    }
  };
  visit(paths);
  // By name: the order of the document is that in which modules were loaded.
  const kept = Object.fromEntries([...used].sort().map((name) => [name, schemas[name]]));
  return { ...document, paths, components: { ...document.components, schemas: kept } };
}

function mapValues<T, U>(of: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, map(value)]));
}
