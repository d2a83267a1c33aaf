/** Changing the registry: planned whole, refused whole, written with who and why. */
import { changeRegistryWithin } from '@meterhouse/postgres';
import {
  planChanges,
  RegistryState,
  type ChangePlan,
  type RefusedPlan,
  type WantedDocument,
} from '@meterhouse/quota';
import type { z } from 'zod';
import type { Caller } from '../../access/caller.ts';
import type { Role } from '../../access/roles.ts';
import { authorOf, originOf } from '../../access/sight.ts';
import { ApiProblem, type FieldError } from '../../http/problem.ts';
import type { Stores } from '../../stores.ts';
import type { changeAnswer } from './schemas.ts';

export interface RegistryParts {
  readonly stores: Stores;
  /** Epoch ms. */
  readonly now: () => number;
}

/** Whoever may change the registry; only the second of them may raise a ceiling by right. */
export const WRITERS: readonly Role[] = ['operator', 'platform_admin'];

export interface ChangeRequest {
  readonly reason: string;
  readonly privileged: boolean;
  readonly dryRun: boolean;
  readonly expectedVersion?: string | undefined;
}

/**
 * @param wanted from the registry as it stands
 * @throws ApiProblem `forbidden` for a privilege that the role has not, `conflict` for another version,
 *   `refused` with every refusal and its field
 */
export async function changeDocuments(
  { stores, now }: RegistryParts,
  wanted: (before: RegistryState) => readonly WantedDocument[],
  { reason, privileged, dryRun, expectedVersion }: ChangeRequest,
  caller: Caller,
): Promise<z.input<typeof changeAnswer>> {
  if (privileged && caller.principal.role !== 'platform_admin')
    throw new ApiProblem('forbidden', `The role ${caller.principal.role} may not raise ceilings.`);
  const { version, decided } = await stores.operating((db) =>
    changeRegistryWithin(
      db,
      (registry) => {
        if (expectedVersion !== undefined && BigInt(expectedVersion) !== registry.version)
          throw new ApiProblem('conflict', `The registry is at version ${registry.version}.`);
        const before = RegistryState.of(registry.documents);
        const { countedMetrics } = registry;
        const plan = planChanges(wanted(before), before, { countedMetrics, privileged, now: now() });
        if (plan.kind === 'refused') throw refusal(plan);
        return plan;
      },
      { author: { by: authorOf(caller), why: reason }, dryRun, origin: originOf(caller, null) },
    ),
  );
  return { version: version.toString(), dryRun, entries: entriesOf(decided) };
}

function entriesOf({ entries, changes }: ChangePlan): z.input<typeof changeAnswer>['entries'] {
  return entries.map(({ kind, name, change, details }) => ({
    ...{ kind, id: name, change, details: [...details] },
    privileged: changes.some((each) => each.kind === kind && each.id === name && each.privileged),
  }));
}

/** `body.document.limits[1].metric: is not registered`: the path ends at the first colon. */
function refusal({ problems }: RefusedPlan): ApiProblem {
  const errors = problems.map((problem): FieldError => {
    const end = problem.indexOf(': ');
    return { field: problem.slice(0, end), detail: problem.slice(end + 2) };
  });
  const detail = `The registry cannot be so, for ${problems.length} ${problems.length === 1 ? 'reason' : 'reasons'}. Nothing was changed.`;
  return new ApiProblem('refused', detail, { errors });
}
