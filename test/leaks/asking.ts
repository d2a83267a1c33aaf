/** Random requests that name somebody's things, most often somebody else's. */
import type { Random } from '../faults/random.ts';
import type { Operation } from '../requests/operations.ts';
import { requestFor, type RequestParts } from '../requests/request.ts';
import type { TextPlace } from '../requests/samples.ts';
import { isWithin, type Tenant } from './forest.ts';
import type { Asker, World } from './world.ts';
import { METRIC } from './things.ts';

/** Whose things are named, as seen from the one who asks. */
type Relation = 'own' | 'below' | 'above' | 'sibling' | 'foreign';

function relationOf(other: Tenant, asker: Tenant): Relation {
  if (other === asker) return 'own';
  if (isWithin(other, asker)) return 'below';
  if (isWithin(asker, other)) return 'above';
  return other.lineage.at(-1) === asker.lineage.at(-1) ? 'sibling' : 'foreign';
}

/** Somebody to be asked about: each relation as often as the next, where there is such a tenant. */
function pickTarget(random: Random, { forest }: World, { tenant }: Asker): Tenant {
  if (tenant === null) return random.pick(forest);
  const byRelation = Map.groupBy(forest, (other) => relationOf(other, tenant));
  return random.pick(byRelation.get(random.pick([...byRelation.keys()])) ?? forest);
}

/** Cursors that were answered to anybody: they open nothing for anybody else. */
export class CursorPool {
  readonly #byOperation = new Map<string, string[]>();

  note(operation: string, answer: string): void {
    const cursor = /"nextCursor":"([^"]+)"/.exec(answer)?.[1];
    if (cursor === undefined) return;
    const of = this.#byOperation.get(operation) ?? [];
    of.push(cursor);
    this.#byOperation.set(operation, of.slice(-50));
  }

  pick(operation: string, random: Random): string {
    return random.pick(this.#byOperation.get(operation) ?? ['bm9uZQ']);
  }
}

/**
 * The registry's writes are the platform's alone: a tenant asks for them and is refused. The platform does
 * not ask here, or the tree would not be the one that the oracle knows.
 */
function mayChangeTree(name: string): boolean {
  return /^(put|delete)[A-Z](?!.*Key$)(?!.*Webhook$)|^applyRegistry$|^overrideLimit$/.test(name);
}

export interface Choosing {
  readonly random: Random;
  readonly cursors: CursorPool;
  readonly mayAsk: (operation: Operation) => boolean;
}

export function randomRequest(
  world: World,
  asker: Asker,
  { random, cursors, mayAsk }: Choosing,
): RequestParts {
  const all = world.operations.all.filter(
    (operation) =>
      mayAsk(operation) && (asker.role === null || asker.tenant !== null || !mayChangeTree(operation.name)),
  );
  // What the role may is asked more often: the rest is refused at the door.
  const may = all.filter(({ access }) => asker.role !== null && access.roles.includes(asker.role));
  const operation = random.pick(may.length > 0 && random.chance(0.8) ? may : all);
  const target = pickTarget(random, world, asker);
  const text = (place: TextPlace): string =>
    textFor(place, random, world, random.chance(0.9) ? target : random.pick(world.forest), cursors);
  return requestFor(operation, world.operations, { random, optional: 0.3, text });
}

export function textFor(
  place: TextPlace,
  random: Random,
  world: World,
  target: Tenant,
  cursors: CursorPool,
): string {
  const { name, operation, schema } = place;
  const { byCollection = {} } = world.things.get(target.number) ?? {};
  const of = (collection: string): string => random.pick(byCollection[collection] ?? ['none']);
  if (
    /^(tenantId|tenant|tenants|to|parent)$/.test(name) &&
    operation.name !== 'listWebhookDeliveries' &&
    !(name === 'to' && operation.path.includes('usage'))
  )
    return target.id;
  if (name === 'deliveryId') return of('deliveries');
  if (name === 'id' || name === 'ids') {
    const collection = operation.path.split('/').findLast((word) => byCollection[word] !== undefined);
    return collection === undefined ? random.pick(['x', 'y']) : of(collection);
  }
  if (name === 'cursor') return cursors.pick(operation.name, random);
  return plainText(place, random) ?? (schema.format === 'uuid' ? of('webhooks') : 'x');
}

const HOUR_MS = 3_600_000;

/** What names nobody: chosen so that most requests get past their checks. */
function plainText({ name, schema, operation }: TextPlace, random: Random): string | undefined {
  const instant = (hours: number): string => {
    const at = Math.floor(Date.now() / HOUR_MS + hours) * HOUR_MS;
    return new Date(at).toISOString();
  };
  switch (name) {
    case 'metric':
    case 'metrics':
      return METRIC;
    case 'from':
    case 'since':
    case 'start':
      return instant(-24);
    case 'to':
    case 'expiry':
    case 'expiresAt':
      return instant(2);
    case 'ts':
    case 'time':
      return instant(0);
    case 'timeZone':
      return 'UTC';
    case 'groupBy':
      return 'region';
    case 'filter':
      return `region:${random.pick(['eu', 'us'])}`;
    case 'url':
      return 'https://hook.example/in';
    case 'product':
      return 'ai';
    case 'resourceType':
      return 'model';
    case 'action':
      return operation.path.includes('decide') ? 'call' : 'test';
    case 'roles':
      return 'member';
    case 'unit':
      return 'token';
    case 'value':
    case 'delta':
    case 'upTo':
      return '1';
    case 'plan':
      return 'small';
    case 'pool':
      return 'gpu';
    case 'reasonCode':
      return 'unknown_metric';
    default:
      return schema.format === 'date-time' ? instant(0) : undefined;
  }
}
