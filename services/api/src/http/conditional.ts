/** Conditional requests (RFC 9110): what the caller has already is not sent again. */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** A strong tag of everything that the answer follows from. */
export function entityTag(evidence: readonly unknown[]): string {
  const text = JSON.stringify(evidence, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  return `"${createHash('sha256').update(text).digest('base64url')}"`;
}

/** Whether `If-None-Match` names the tag. Comparison is the weak one: a cache between may have weakened it. */
export function hasAlready(request: FastifyRequest, tag: string): boolean {
  const header = request.headers['if-none-match'];
  if (header === undefined) return false;
  return header.split(',').some((each) => {
    const text = each.trim();
    return text === '*' || text.replace(/^W\//, '') === tag;
  });
}

/** The answer may be kept by its caller, who has to ask each time whether it still holds. */
export function tagged(reply: FastifyReply, tag: string): FastifyReply {
  return reply
    .header('ETag', tag)
    .header('Cache-Control', 'private, no-cache')
    .header('Vary', 'Authorization');
}
