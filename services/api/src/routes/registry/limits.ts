/** Another ceiling for one tenant: an override, in one call. */
import { DOCUMENTS, overrideId, type OverrideDocument, type WantedDocument } from '@meterhouse/quota';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { authorOf } from '../../access/sight.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import { changeAnswer, idParams, why } from './schemas.ts';
import { changeDocuments, WRITERS, type RegistryParts } from './write.ts';

const { id, metric, period, value, start, expiry } = DOCUMENTS.override.shape;

const limitBody = z
  .strictObject({
    ...{ metric, period, start, expiry },
    value: value.describe('In the metric’s unit: a decimal in quotes.'),
    id: id.optional().describe('Default: `TENANT/METRIC/PERIOD`. One that is there is changed.'),
    raise: z
      .boolean()
      .default(false)
      .describe('It may raise the ceiling, by privilege: only `platform_admin`, and audited as such.'),
    delegation: id.optional().describe('It may raise the ceiling, by this delegation.'),
    ...{ reason: why.reason, dryRun: why.dryRun, expectedVersion: why.expectedVersion },
  })
  .refine(({ raise, delegation }) => !raise || delegation === undefined, {
    path: ['delegation'],
    message: 'give raise or delegation, not both',
  })
  .refine(
    ({ start: from, expiry: to }) => from === null || to === null || Date.parse(from) < Date.parse(to),
    {
      path: ['expiry'],
      message: 'does not lie after start',
    },
  )
  .meta({ id: 'LimitOverride' });

export function limitsRoute(app: FastifyInstance, parts: RegistryParts): void {
  addRoute(app, {
    method: 'POST',
    url: '/api/admin/tenants/:id/limits',
    operationId: 'overrideLimit',
    tag: 'registry',
    summary: 'Set another ceiling for a tenant and all below it',
    description: 'It narrows. One that would raise the ceiling without the right to is refused.',
    access: { kind: 'platform', roles: WRITERS },
    problems: ['refused', 'conflict', 'unknown_tenant'],
    params: idParams,
    body: limitBody,
    answer: { status: 200, schema: changeAnswer },
    handle: async ({ params, body }, caller) => {
      if (!(await caller.mayReach(params.id)))
        throw new ApiProblem('unknown_tenant', 'There is no such tenant.');
      const override = overrideOf(params.id, body, authorOf(caller));
      const wanted: WantedDocument = { kind: 'override', id: override.id, body: override, path: 'body' };
      return changeDocuments(
        parts,
        (before) => {
          const known = before.get('override', override.id);
          const same = (['tenant', 'metric', 'period'] as const).every(
            (each) => known?.[each] === override[each],
          );
          if (known !== undefined && !same)
            throw new ApiProblem('conflict', `The override ${override.id} is for another limit.`, {
              errors: [{ field: 'body.id', detail: 'is taken' }],
            });
          return [wanted];
        },
        { ...body, privileged: body.raise },
        caller,
      );
    },
  });
}

function overrideOf(tenant: string, body: z.output<typeof limitBody>, author: string): OverrideDocument {
  const { delegation } = body;
  const given = delegation === undefined ? null : ({ by: 'delegation', delegation } as const);
  const override = {
    id: body.id ?? overrideId({ tenant, metric: body.metric, period: body.period }),
    ...{ tenant, metric: body.metric, period: body.period, value: body.value },
    raises: body.raise ? ({ by: 'privileged' } as const) : given,
    ...{ reason: body.reason, author, start: inUtc(body.start), expiry: inUtc(body.expiry) },
  };
  const parsed = DOCUMENTS.override.safeParse(override);
  if (parsed.success) return parsed.data;
  // The id that is made of long names can be too long for one.
  const errors = parsed.error.issues.map(({ path, message }) => ({
    field: ['body', ...path.map(String)].join('.'),
    detail: message,
  }));
  throw new ApiProblem('invalid_request', 'The override cannot be written.', { errors });
}

function inUtc(instant: string | null): string | null {
  return instant === null ? null : new Date(instant).toISOString();
}
