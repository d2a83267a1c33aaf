/** The registry, in Postgres. */
import { changeRegistry, readRegistryAudit, registryChangesSince } from '@meterhouse/postgres';
import { planChanges, RegistryState } from '@meterhouse/quota';
import { authorOf } from '../../author.ts';
import type { Stores } from '../../connect/stores.ts';
import { overrideOf } from '../../limits/limit-documents.ts';
import { ProblemsError } from '../../problems.ts';
import type { RegistryDesk } from '../system.ts';

/** @param now epoch ms */
export function registryInStores(stores: Stores, now: () => number): RegistryDesk {
  const change: RegistryDesk['change'] = async (what, wanted, { by, why, privileged, dryRun }) => {
    const { version, decided } = await changeRegistry(
      await stores.postgres('meterhouse_operator'),
      ({ documents, countedMetrics }) => {
        const before = RegistryState.of(documents);
        const plan = planChanges(wanted(before), before, { countedMetrics, privileged, now: now() });
        if (plan.kind === 'refused') throw new ProblemsError(`${what} cannot be applied`, plan.problems);
        return plan;
      },
      { author: { by: authorOf(by), why }, dryRun },
    );
    return { version, dryRun, entries: decided.entries };
  };
  return {
    read: async () => registryChangesSince(await stores.postgres('meterhouse_reader'), 0n),
    change,
    override: (document, options) =>
      change(
        'limits override',
        (before) => [overrideOf(before, { ...document, author: authorOf(options.by) })],
        options,
      ),
    history: async (filter) => readRegistryAudit(await stores.postgres('meterhouse_reader'), filter),
  };
}
