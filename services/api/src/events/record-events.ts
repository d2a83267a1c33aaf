/** Drafts to the broker: fills in what the caller stands for, checks whose usage it is, and records. */
import { MeterError, type Meter, type UsageEventInput } from '@meterhouse/producer';
import { EVENT_LIMITS, TENANT_ID } from '@meterhouse/usage';
import type { Caller } from '../access/caller.ts';
import {
  isRefused,
  refused,
  type Draft,
  type DraftFields,
  type EventDraft,
  type EventRefusal,
} from './draft.ts';
import type { EventOutcome } from './outcomes.ts';

/** Tenants that are looked up at one time. */
const LOOKUPS = 8;

export interface Sender extends Pick<Caller, 'principal' | 'correlationId' | 'mayReach'> {
  /** For events without an id; null: each gets a new one, and sent again it is another event. */
  readonly idOf: ((index: number) => string) | null;
}

/** @returns one outcome for each draft, in order, when the last is settled */
export async function recordEvents(
  drafts: readonly Draft[],
  sender: Sender,
  meter: Meter,
): Promise<EventOutcome[]> {
  const filled = drafts.map((draft, index) => (isRefused(draft) ? draft : filledIn(draft, index, sender)));
  const reachable = await reachableTenants(filled, sender);
  return Promise.all(
    filled.map((draft, index) => {
      if (isRefused(draft)) return Promise.resolve(refusal(index, null, draft));
      const problem =
        tenantProblem(draft.fields, reachable) ?? timeProblem(draft.fields, drafts[index], sender);
      return problem === null
        ? record(draft, index, meter)
        : Promise.resolve(refusal(index, draft.fields['id'], inSendersWords(problem, draft)));
    }),
  );
}

function filledIn(draft: EventDraft, index: number, { principal, correlationId, idOf }: Sender): EventDraft {
  const { fields } = draft;
  const fill: Record<string, unknown> = { ...fields };
  fill['tenantId'] ??= principal.tenantId ?? undefined;
  fill['source'] ??= principal.id;
  fill['correlationId'] ??= correlationId;
  if (idOf !== null) fill['id'] ??= idOf(index);
  return { ...draft, fields: fill };
}

/** Of those that are named at all; a name that no tenant can have is left to the event's own check. */
async function reachableTenants(
  drafts: readonly Draft[],
  { mayReach }: Sender,
): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  for (const draft of drafts) {
    const tenantId = isRefused(draft) ? undefined : draft.fields['tenantId'];
    if (typeof tenantId === 'string' && TENANT_ID.test(tenantId)) named.add(tenantId);
  }
  const reachable = new Set<string>();
  const waiting = named.values();
  const look = async (): Promise<void> => {
    for (const tenantId of waiting) if (await mayReach(tenantId)) reachable.add(tenantId);
  };
  await Promise.all(Array.from({ length: Math.min(LOOKUPS, named.size) }, look));
  return reachable;
}

/** A tenant elsewhere is answered like one that does not exist: nobody learns which tenants there are. */
function tenantProblem({ tenantId }: DraftFields, reachable: ReadonlySet<string>): EventRefusal | null {
  if (tenantId === undefined)
    return refused('invalid_event', 'tenantId', 'is missing, and the key is for the whole platform');
  if (typeof tenantId !== 'string' || !TENANT_ID.test(tenantId) || reachable.has(tenantId)) return null;
  return refused('unknown_tenant', 'tenantId', 'is no tenant in your scope');
}

/** With the time of each receipt, the repeated event would contradict the first instead of being it. */
function timeProblem(fields: DraftFields, given: Draft | undefined, { idOf }: Sender): EventRefusal | null {
  if (idOf === null || (fields['ts'] ?? null) !== null || given === undefined || isRefused(given))
    return null;
  if ((given.fields['id'] ?? null) !== null) return null;
  return refused(
    'invalid_event',
    'ts',
    'is missing: under an Idempotency-Key, an event without an id says when it happened, so that a repeated request says the same',
  );
}

/** Without `async`, which would cost a thousand promises more for each request. */
function record(draft: EventDraft, index: number, meter: Meter): Promise<EventOutcome> {
  // Whatever it is: the meter checks every field, and refuses by name.
  return meter.record(draft.fields as object as UsageEventInput).then(
    ({ id }) => ({ index, outcome: 'acknowledged', id }),
    (error: unknown) => failure(error, draft, index),
  );
}

function failure(error: unknown, draft: EventDraft, index: number): EventOutcome {
  if (!(error instanceof MeterError)) throw error;
  if (error.code === 'refused') return refusal(index, draft.fields['id'], refusalOf(error, draft));
  return {
    index,
    outcome: 'not_acknowledged',
    id: error.event?.id ?? givenId(draft.fields['id']),
    ts: error.event === null ? null : new Date(error.event.ts).toISOString(),
    ...NOT_ACKNOWLEDGED[error.code],
  };
}

const NOT_ACKNOWLEDGED = {
  not_acknowledged: { code: 'broker_unavailable', detail: 'the broker did not acknowledge it in time' },
  buffer_full: { code: 'overloaded', detail: 'no more events can wait for the broker at the moment' },
  not_stored: { code: 'overloaded', detail: 'it cannot be kept at the moment' },
  closed: { code: 'overloaded', detail: 'this process takes no more events, another does' },
} as const;

function refusalOf(error: MeterError, draft: EventDraft): EventRefusal {
  const field = error.field ?? 'event';
  const prefix = `${field}: `;
  const detail = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
  // A broker takes what the meter lets through, or finds it too large.
  const code = error.reason === null || error.reason === 'rejected' ? 'invalid_event' : error.reason;
  return inSendersWords(refused(code, field, detail), draft);
}

/** `attrs.region` of a CloudEvent is its `data.attrs.region`. */
function inSendersWords(problem: EventRefusal, { fieldNames }: EventDraft): EventRefusal {
  const [head = '', ...rest] = problem.field.split(/(?=[. ])/);
  return { ...problem, field: `${fieldNames?.[head] ?? head}${rest.join('')}` };
}

function refusal(index: number, id: unknown, problem: EventRefusal): EventOutcome {
  return { index, outcome: 'refused', id: givenId(id), ...problem };
}

function givenId(id: unknown): string | null {
  return typeof id === 'string' && id.length > 0 && id.length <= EVENT_LIMITS.idLength ? id : null;
}
