/** What can be asked of the API, as its own document says: a route or a field of tomorrow is asked tomorrow. */
import { ROLES } from '@meterhouse/api';
import { z } from 'zod';

/** As much of JSON Schema as the document uses. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly format?: string;
  readonly pattern?: string;
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: Schema;
}

export interface Operation {
  readonly name: string;
  readonly method: string;
  /** With `{name}` where its parameters stand. */
  readonly path: string;
  readonly access: { readonly kind: string; readonly roles: readonly string[] };
  readonly parameters: readonly Parameter[];
  /** By media type; none for a request without a body. */
  readonly bodies: Readonly<Record<string, Schema>>;
}

export interface Operations {
  readonly all: readonly Operation[];
  /** A schema, or the one that it names. */
  resolved(schema: Schema): Schema;
}

const schema = z.looseObject({}) as unknown as z.ZodType<Schema>;
const documentShape = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        operationId: z.string(),
        'x-access': z.object({
          kind: z.enum(['public', 'platform', 'tenant', 'scope']),
          roles: z.array(z.enum(ROLES)),
        }),
        parameters: z
          .array(
            z.object({
              name: z.string(),
              in: z.enum(['path', 'query', 'header']),
              required: z.boolean().default(false),
              schema,
            }),
          )
          .default([]),
        requestBody: z.object({ content: z.record(z.string(), z.object({ schema })) }).optional(),
      }),
    ),
  ),
  components: z.object({ schemas: z.record(z.string(), schema) }),
});

export function operationsOf(document: unknown): Operations {
  const { paths, components } = documentShape.parse(document);
  const all = Object.entries(paths).flatMap(([path, byMethod]) =>
    Object.entries(byMethod).map(([method, operation]) => ({
      name: operation.operationId,
      method: method.toUpperCase(),
      path,
      access: operation['x-access'],
      parameters: operation.parameters,
      bodies: Object.fromEntries(
        Object.entries(operation.requestBody?.content ?? {}).map(([type, body]) => [type, body.schema]),
      ),
    })),
  );
  return {
    all,
    resolved: (given) => {
      if (given.$ref === undefined) return given;
      const found = components.schemas[given.$ref.replace('#/components/schemas/', '')];
      if (found === undefined) throw new Error(`the document has no ${given.$ref}`);
      return found;
    },
  };
}
