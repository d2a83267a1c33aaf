/** The body of `POST /v1/data/…?provenance=true`. */
import { z } from 'zod';

const revision = z.string().max(256);

const body = z.object({
  /** Absent where the document is undefined. */
  result: z.unknown(),
  provenance: z
    .object({
      /** Of the time before bundles had names. */
      revision: revision.optional(),
      bundles: z.record(z.string().max(256), z.object({ revision: revision.optional() })).optional(),
    })
    .optional(),
});

export interface OpaResponse {
  readonly result: unknown;
  /** Bundles and their revisions, as `authz@r42,data@r7`; null where OPA names none. */
  readonly revisions: string | null;
}

/** @returns null for what is not an answer of OPA's data API */
export function readOpaResponse(text: string): OpaResponse | null {
  const read = body.safeParse(parseJson(text));
  if (!read.success) return null;
  const { provenance, result } = read.data;
  const named = Object.entries(provenance?.bundles ?? {})
    .map(([name, bundle]) => `${name}@${bundle.revision ?? ''}`)
    .sort();
  if (provenance?.revision !== undefined && provenance.revision !== '') named.push(provenance.revision);
  return { result, revisions: named.length > 0 ? named.join(',').slice(0, 512) : null };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
