/** What an answer may hold, and a request may change, by nothing but who belongs to whom. */
import { isWithin, type Tenant } from './forest.ts';
import { marksIn } from './marks.ts';
import type { RowChange } from './changes.ts';
import type { RequestParts, WireRequest } from '../requests/request.ts';
import type { Asker, World } from './world.ts';

export interface Leak {
  readonly kind: 'text' | 'id' | 'change' | 'event' | 'answered' | 'let_in' | 'failed';
  readonly operation: string;
  readonly detail: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Of texts and amounts: only those of the asker's own subtree. Of names: also those that lie above it, or were asked for. */
export function leaksInAnswer(
  world: World,
  asker: Asker,
  { operation }: RequestParts,
  { address, init }: WireRequest,
  { status, text }: Answer,
): Leak[] {
  if (asker.role !== null && asker.tenant === null) return [];
  const { tenant } = asker;
  const leak = (kind: Leak['kind'], detail: string): Leak => ({
    kind,
    operation: operation.name,
    detail: `${detail} in ${status} ${text.slice(0, 300)}`,
  });
  const found = marksIn(text, world.givenIds);
  const asked = marksIn(
    decodeURIComponent(address) + (init.body ?? '') + decodedCursors(address, init.body),
    world.givenIds,
  );
  const seen = (number: number): Tenant | undefined => world.forest[number];
  const leaks: Leak[] = [];
  for (const number of found.texts) {
    const of = seen(number);
    if (of !== undefined && (tenant === null || !isWithin(of, tenant)))
      leaks.push(leak('text', `of ${of.id}`));
  }
  for (const number of found.ids) {
    const of = seen(number);
    const known = asked.ids.has(number) || asked.texts.has(number);
    if (of !== undefined && !known && (tenant === null || (!isWithin(of, tenant) && !isWithin(tenant, of))))
      leaks.push(leak('id', `of ${of.id}`));
  }
  return leaks;
}

function decodedCursors(address: string, body: string | undefined): string {
  const inAddress = new URLSearchParams(address.split('?')[1] ?? '').get('cursor') ?? '';
  const inBody = /"cursor":"([^"]+)"/.exec(body ?? '')?.[1] ?? '';
  return [inAddress, inBody].map((cursor) => Buffer.from(cursor, 'base64url').toString()).join(' ');
}

/** @param changes of requests of this asker alone */
export function leaksInChanges(
  world: World,
  asker: Asker,
  changes: readonly RowChange[],
  recorded: readonly string[],
): Leak[] {
  if (asker.role !== null && asker.tenant === null) return [];
  const within = (id: string | null): boolean => {
    const of = world.forest.find((tenant) => tenant.id === id);
    return of !== undefined && asker.tenant !== null && isWithin(of, asker.tenant);
  };
  return [
    ...changes
      .filter(({ tenant }) => !within(tenant))
      .map(({ table, tenant }) => ({
        kind: 'change' as const,
        operation: table,
        detail: `a row of ${tenant ?? 'nobody'}`,
      })),
    ...recorded
      .filter((id) => world.forest.some((tenant) => tenant.id === id) && !within(id))
      .map((id) => ({ kind: 'event' as const, operation: 'sendEvents', detail: `an event of ${id}` })),
  ];
}

/** Whether the status is one that the asker may get at all, while both checks are there. */
export function wrongStatus(
  world: World,
  asker: Asker,
  { operation, path, query, body }: RequestParts,
  { status }: Answer,
): Leak[] {
  const { access, name } = operation;
  if (access.kind === 'public') return [];
  const { role, tenant } = asker;
  const refused =
    role === null
      ? 401
      : !access.roles.includes(role) || (access.kind === 'platform' && tenant !== null)
        ? 403
        : null;
  if (refused !== null)
    return status === refused
      ? []
      : [{ kind: 'let_in', operation: name, detail: `${status}, not ${refused}` }];
  // Events have outcomes of their own: what was handed on is looked at.
  if (tenant === null || name === 'sendEvents' || status >= 400) return [];
  const named = [
    ...(query['tenantId'] ?? []),
    ...(operation.path.includes('/tenants/{id}') ? [path['id'] ?? ''] : []),
    ...tenantsNamed(body?.value),
  ];
  const foreign = world.forest.find((one) => named.includes(one.id) && !isWithin(one, tenant));
  return foreign === undefined
    ? []
    : [{ kind: 'answered', operation: name, detail: `${status} about ${foreign.id}` }];
}

function tenantsNamed(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === 'tenantId' && typeof inner === 'string' ? [inner] : tenantsNamed(inner),
  );
}
