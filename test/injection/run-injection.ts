/**
 * Puts hostile texts into every text of every operation, one at a time, with all else in order: each
 * parameter, each header that is read, each string of a body however deep, and each name in it that the
 * caller chooses.
 */
import { randomBytes } from 'node:crypto';
import type { Endpoints } from '@meterhouse/dev-stack';
import { createKafka, ensureTopics } from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { createLogger, Releases } from '@meterhouse/runtime';
import { Random } from '../faults/random.ts';
import { CursorPool, textFor } from '../leaks/asking.ts';
import { isWithin, type Tenant } from '../leaks/forest.ts';
import { textMark } from '../leaks/marks.ts';
import { leaksInAnswer } from '../leaks/oracle.ts';
import { withoutMoved } from '../leaks/things.ts';
import { openWorld, type Asker, type World } from '../leaks/world.ts';
import type { Operation } from '../requests/operations.ts';
import { onTheWire, requestFor, type RequestParts } from '../requests/request.ts';
import { textsOf, withText } from '../requests/samples.ts';
import { corpusFor } from './corpus.ts';

export interface InjectionOptions {
  readonly seed: string;
  /** For each place; all of the corpus where it is more. Which ones moves on from place to place. */
  readonly textsAPlace: number;
  readonly say: (line: string) => void;
}

export interface InjectionResult {
  /** `operation where`: each text that was changed. */
  readonly places: ReadonlySet<string>;
  readonly operations: number;
  readonly requests: number;
  readonly byStatus: ReadonlyMap<number, number>;
  /** What must not be, each with its request. */
  readonly faults: readonly string[];
  /** Rows of the victim that came, went or changed, as `+ table: row` and `- table: row`. */
  readonly touched: readonly string[];
}

/** Read on every route, whether or not the document says so. */
const HEADERS = ['x-correlation-id', 'authorization', 'if-none-match', 'content-type', 'content-encoding'];
const AT_ONCE = 8;

export async function runInjection(
  endpoints: Endpoints,
  options: InjectionOptions,
): Promise<InjectionResult> {
  const releases = new Releases();
  try {
    const random = new Random(`${options.seed} injection`);
    const topic = await newTopic(endpoints.kafka);
    const world = await openWorld({ ...endpoints, topic }, random, { api: true, rows: true }, releases);
    const own = world.forest[1];
    const victim = world.forest.find(
      (other) => own !== undefined && !isWithin(other, own) && !isWithin(own, other),
    );
    if (own === undefined || victim === undefined) throw new Error('the world has no two strangers');
    const before = await canaries(world.owner, victim);
    const things = new Map([...world.things].map(([number, all]) => [number, withoutMoved(all)]));
    const attack = new Attack({ ...world, things }, own, corpusFor(victim.id), random);
    for (const operation of world.operations.all) await attack.on(operation, options.textsAPlace);
    const after = await canaries(world.owner, victim);
    options.say(`${attack.requests} requests`);
    const { places, requests, byStatus, faults } = attack;
    return {
      places,
      requests,
      byStatus,
      faults,
      operations: world.operations.all.length,
      touched: [...only(before, after, '-'), ...only(after, before, '+')],
    };
  } finally {
    await releases.releaseAll();
  }
}

class Attack {
  readonly places = new Set<string>();
  readonly byStatus = new Map<number, number>();
  readonly faults: string[] = [];
  requests = 0;
  readonly #world: World;
  readonly #own: Tenant;
  readonly #corpus: readonly string[];
  readonly #random: Random;
  #next = 0;

  constructor(world: World, own: Tenant, corpus: readonly string[], random: Random) {
    this.#world = world;
    this.#own = own;
    this.#corpus = corpus;
    this.#random = random;
  }

  async on(operation: Operation, textsAPlace: number): Promise<void> {
    const asker = this.#askerFor(operation);
    const changed = this.#variants(operation, textsAPlace);
    for (let at = 0; at < changed.length; at += AT_ONCE)
      await Promise.all(changed.slice(at, at + AT_ONCE).map((request) => this.#send(asker, request)));
  }

  /** A key of the tenant where one may, else the platform's. */
  #askerFor({ access: { kind, roles } }: Operation): Asker {
    const may = this.#world.askers.filter(
      ({ role }) => kind === 'public' || (role !== null && roles.includes(role)),
    );
    const ofTenant = kind === 'platform' ? undefined : may.findLast(({ tenant }) => tenant === this.#own);
    const asker = ofTenant ?? may.find(({ tenant }) => tenant === null);
    if (asker === undefined) throw new Error('nobody may');
    return asker;
  }

  /** Every form of the body, with all in it. */
  #variants(operation: Operation, textsAPlace: number): RequestParts[] {
    const cursors = new CursorPool();
    const forms = Object.entries(operation.bodies);
    const text = (place: Parameters<typeof textFor>[0]): string =>
      textFor(place, this.#random, this.#world, this.#own, cursors);
    const choices = { random: this.#random, optional: 1, text };
    return (forms.length === 0 ? [null] : forms).flatMap((form) => {
      const only = form === null ? operation : { ...operation, bodies: Object.fromEntries([form]) };
      const whole = requestFor(only, this.#world.operations, choices);
      return this.#placesOf(whole).flatMap(([place, change]) => {
        this.places.add(`${operation.name} ${form?.[0] ?? ''} ${place}`);
        return this.#texts(textsAPlace).map(change);
      });
    });
  }

  #texts(many: number): string[] {
    const count = Math.min(many, this.#corpus.length);
    return Array.from({ length: count }, () => this.#corpus[this.#next++ % this.#corpus.length] ?? '');
  }

  #placesOf(whole: RequestParts): [string, (text: string) => RequestParts][] {
    const { body } = whole;
    const named = this.#fieldNames(whole.operation);
    return [
      ...Object.keys(whole.path).map((name): [string, (text: string) => RequestParts] => [
        `path.${name}`,
        (text) => ({ ...whole, path: { ...whole.path, [name]: text } }),
      ]),
      ...Object.keys(whole.query).map((name): [string, (text: string) => RequestParts] => [
        `query.${name}`,
        // Alone beside what it needs: all of them at once would be refused for another.
        (text) => ({ ...whole, query: { ...this.#needed(whole), [name]: [text] } }),
      ]),
      ...[...new Set([...Object.keys(whole.headers), ...HEADERS])].map(
        (name): [string, (text: string) => RequestParts] => [
          `header.${name}`,
          (text) => ({ ...whole, headers: { ...whole.headers, [name]: text } }),
        ],
      ),
      ...(body === null
        ? []
        : textsOf(body.value, (name) => named.has(name)).map(
            (path): [string, (text: string) => RequestParts] => [
              `body.${path.steps.join('.')}${path.key ? ' (name)' : ''}`,
              (text) => ({ ...whole, body: { ...body, value: withText(body.value, path, text) } }),
            ],
          )),
    ];
  }

  #needed({ operation, query }: RequestParts): RequestParts['query'] {
    const required = operation.parameters.filter((one) => one.in === 'query' && one.required);
    const names = [...required.map(({ name }) => name), 'from', 'to'];
    return Object.fromEntries(Object.entries(query).filter(([name]) => names.includes(name)));
  }

  /** Names that schemas give, wherever they stand: any other is the caller's. */
  #fieldNames(operation: Operation): ReadonlySet<string> {
    const names = new Set<string>();
    const walk = (value: unknown): void => {
      if (value === null || typeof value !== 'object') return;
      const schema = this.#world.operations.resolved(value);
      for (const name of Object.keys(schema.properties ?? {})) names.add(name);
      for (const inner of Object.values(schema)) walk(inner);
    };
    walk(Object.values(operation.bodies));
    return names;
  }

  async #send(asker: Asker, request: RequestParts): Promise<void> {
    const wire = onTheWire(request);
    const headers = sendable(wire.init.headers);
    // Not to be sent at all by an honest client; the server never sees it.
    if (headers === null) return;
    const bearer = request.headers['authorization'] === undefined ? asker.bearer : null;
    const response = await this.#world.api.call(bearer, wire.address, { ...wire.init, headers });
    const answer = { status: response.status, text: await response.text() };
    this.requests += 1;
    this.byStatus.set(answer.status, (this.byStatus.get(answer.status) ?? 0) + 1);
    const said = `${wire.init.method} ${wire.address} ${wire.init.body ?? ''} → ${answer.status} ${answer.text}`;
    if (answer.status >= 500) this.#fault('failed', said);
    if (response.headers.get('x-injected') !== null) this.#fault('a header came in', said);
    if (
      answer.status === 400 &&
      answer.text.includes('"code":"invalid_request"') &&
      !answer.text.includes('"field":"')
    )
      this.#fault('no field', said);
    for (const { detail } of leaksInAnswer(this.#world, asker, request, wire, answer))
      this.#fault(detail, said);
  }

  #fault(what: string, said: string): void {
    this.faults.push(`${what}: ${said.slice(0, 1_500)}`);
  }
}

function sendable(headers: Record<string, string>): Headers | null {
  try {
    return new Headers(headers);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** Every row in which the victim's mark stands, of every table. */
async function canaries(owner: Pool, { number }: Tenant): Promise<Set<string>> {
  const { rows: tables } = await owner.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relnamespace = 'meterhouse'::regnamespace AND relkind = 'r' AND NOT relispartition ORDER BY 1`,
  );
  const found = new Set<string>();
  for (const { name } of tables) {
    const { rows } = await owner.query<{ row: string }>(
      `SELECT t::text AS row FROM meterhouse.${name} AS t WHERE strpos(t::text, $1) > 0`,
      [textMark(number)],
    );
    for (const { row } of rows) found.add(`${name}: ${row}`);
  }
  return found;
}

function only(rows: ReadonlySet<string>, others: ReadonlySet<string>, sign: string): string[] {
  return [...rows].filter((row) => !others.has(row)).map((row) => `${sign} ${row}`);
}

async function newTopic(kafka: string): Promise<string> {
  const topic = `injection_${randomBytes(6).toString('hex')}`;
  const logger = createLogger('injection', 'silent');
  await ensureTopics(createKafka({ brokers: [kafka], clientId: 'injection', logger }), {
    usageEvents: { topic, partitions: 1 },
    usageSnapshots: { topic: `${topic}_snapshots` },
  });
  return topic;
}
