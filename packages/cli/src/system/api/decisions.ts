/** Decisions over HTTP. */
import { itemsOf, type Answered, type MeterhouseClient } from '@meterhouse/client';
import type { DecisionRow } from '@meterhouse/postgres/decisions';
import { REASONS, RegistryState } from '@meterhouse/quota';
import { questionOf, type DecideOptions } from '../../decide/asked.ts';
import type { ShownDecision } from '../../decide/decision-text.ts';
import { noSuchDecision, readRecord } from '../../decisions/explain-decision.ts';
import type { DecisionDesk } from '../system.ts';
import { firstOf, ms, noSuchTenant, orInstead, pageSize, said } from './refused.ts';
import { documentsOf } from './registry.ts';

export function decisionsOverApi(client: MeterhouseClient): DecisionDesk {
  return {
    list: async ({ tenantId, outcome, reason, since, limit }) => {
      const query = {
        ...said({ tenantId, outcome, reason: REASONS.find((each) => each === reason) }),
        ...said({ since: since === null ? null : new Date(since).toISOString() }),
        ...(tenantId === null ? {} : ({ descendants: 'false' } as const)),
        limit: pageSize(limit),
      };
      const rows = itemsOf(
        async (cursor) =>
          (await client.GET('/v1/decisions', { params: { query: { ...query, ...said({ cursor }) } } })).data,
        (page) => page.decisions,
      );
      return (await firstOf(rows, limit)).map(toRow);
    },
    explain: async (id) => {
      const asked = client.GET('/v1/decisions/{id}', { params: { path: { id } } });
      const { data } = await orInstead('not_found', asked, () => noSuchDecision(id));
      const row = toRow(data.decision);
      const record = readRecord(id, data.record);
      const { message, steps, unreadableDocuments, replay: differences } = data;
      return { row, record, message, steps, unreadableDocuments, differences };
    },
    decide: (asked) => decideNow(asked, client),
  };
}

async function decideNow(asked: DecideOptions, client: MeterhouseClient): Promise<ShownDecision> {
  const documents = [];
  for (const kind of ['product', 'metric'] as const)
    for await (const document of documentsOf(client, kind)) documents.push(document);
  const { actor, usage, ...question } = questionOf(asked, RegistryState.of(documents));
  const explained = asked.explain === true;
  const answered = client.POST('/v1/decide', {
    params: { query: explained ? { explain: 'true' } : {} },
    body: {
      ...said(question),
      ...{ tenantId: asked.tenant, product: question.product, resourceType: question.resourceType },
      ...{
        action: question.action,
        actor: { ...actor, roles: actor.roles, scopes: actor.scopes },
      },
      ...(usage === undefined ? {} : { usage: { ...usage, delta: String(usage.delta) } }),
    },
  });
  const { data } = await orInstead('unknown_tenant', answered, () => noSuchTenant(asked.tenant));
  const { tenantId: _, steps, ceiling, ...decision } = data;
  return {
    ...decision,
    ceiling: ceiling === null ? null : { ...ceiling, pending: null, overshoot: null },
    // Not told over HTTP: they name rules and plans above the caller.
    ...{ entitledBy: null, tier: null, matchedRules: null, policyEngine: null },
    walk: steps ?? null,
  };
}

function toRow(row: Answered<'/v1/decisions', 'get'>['decisions'][number]): DecisionRow {
  return {
    ...row,
    at: ms(row.at),
    receivedAt: ms(row.receivedAt),
    registryVersion: BigInt(row.registryVersion),
  };
}
