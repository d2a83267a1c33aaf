/** Quarantined events, in Postgres; what can be read of their messages is read by the schema registry. */
import { createEventDecoder, isRefusal, isUnknownSchema, RegistryError } from '@meterhouse/kafka';
import {
  countQuarantine,
  discardQuarantined,
  inTransaction,
  listQuarantine,
  readQuarantineCase,
  readReplayOutcomes,
  requestReplay,
} from '@meterhouse/postgres';
import { DIRECT_SOURCE } from '@meterhouse/postgres/flush';
import { eventFromJson, type Refusal, type UsageEvent } from '@meterhouse/usage';
import type { Stores } from '../../connect/stores.ts';
import { UsageError } from '../../exit.ts';
import { throughPages } from '../../quarantine/page-through.ts';
import type { Decoded } from '../../quarantine/quarantine-text.ts';
import type { QuarantineDesk } from '../system.ts';

export function quarantineInStores(stores: Stores, signal: AbortSignal): QuarantineDesk {
  return {
    counts: async (filter) => countQuarantine(await stores.postgres('meterhouse_reader'), filter),
    list: async (filter, page) => listQuarantine(await stores.postgres('meterhouse_reader'), filter, page),
    read: async (id) => {
      const found = await readQuarantineCase(await stores.postgres('meterhouse_reader'), id);
      if (found === null) return null;
      const { event, payload } = found;
      // What was counted directly has no message, but the event as JSON.
      const isDirect = event.source === DIRECT_SOURCE;
      return {
        found,
        decoded: isDirect ? inWords(eventFromJson(payload.toString())) : await decode(payload, stores),
      };
    },
    settle: async (what, filter, { by, reason }) => {
      if (by === null) throw new UsageError('--by: say who decides; it is kept with each event');
      const settle = what === 'replay' ? requestReplay : discardQuarantined;
      const pool = await stores.postgres('meterhouse_operator');
      return throughPages(async (bound) => {
        const settled = await inTransaction(pool, (client) => settle(client, filter, { by, reason }, bound));
        return settled.map(({ id }) => id);
      }, signal);
    },
    outcomes: async (ids) => readReplayOutcomes(await stores.postgres('meterhouse_operator'), ids),
  };
}

const LEARN_MS = 5_000;

async function decode(payload: Buffer, stores: Stores): Promise<Decoded> {
  const decoder = createEventDecoder(stores.schemaRegistry());
  let outcome = decoder.decode(payload);
  if (isUnknownSchema(outcome)) {
    try {
      await decoder.learn(outcome.unknownSchemaId, { deadlineMs: LEARN_MS });
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return `cannot be read now: ${error.message}`;
    }
    outcome = decoder.decode(payload);
  }
  if (isUnknownSchema(outcome))
    return `cannot be read now: the schema registry does not give schema ${outcome.unknownSchemaId}`;
  return inWords(outcome);
}

function inWords(outcome: UsageEvent | Refusal): Decoded {
  return isRefusal(outcome) ? `cannot be read: ${outcome.detail}` : outcome;
}
