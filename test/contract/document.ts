/** The OpenAPI document, as the API serves it. */
import { known, startTestApi, treeOf } from '../../services/api/src/testing.ts';

export interface Operation {
  readonly operationId: string;
  readonly 'x-access': { readonly roles: readonly string[] };
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, MediaType>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, MediaType>> }>>;
}

interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required?: boolean;
  readonly schema: object;
  readonly examples?: Examples;
}

interface MediaType {
  readonly schema: object;
  readonly examples?: Examples;
}

export type Examples = Readonly<Record<string, { readonly value: unknown }>>;

export interface ApiDocument {
  readonly openapi: string;
  /** By address, then method in lower case. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

export async function servedDocument(): Promise<ApiDocument> {
  const api = await startTestApi({ authenticate: known({}), tree: treeOf({}) });
  try {
    const response = await api.call(null, '/openapi.json');
    return (await response.json()) as ApiDocument;
  } finally {
    await api.close();
  }
}
