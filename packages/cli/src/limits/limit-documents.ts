/** The documents that `limits` writes, from what was said on the command line. Pure. */
import {
  DOCUMENTS,
  perPeriod,
  type OverrideDocument,
  type RegistryState,
  type WantedDocument,
} from '@meterhouse/quota';
import { CommandError } from '../exit.ts';
import { ProblemsError, problemsOf } from '../problems.ts';
import { standingOf } from './limits-view.ts';

/** What may be said of a tenant; undefined leaves it as it is. */
export interface TenantChange {
  readonly plan?: string | null;
  readonly class?: string | null;
  readonly status?: string;
}

/** @throws CommandError where the tenant is not registered; ProblemsError */
export function tenantWith(now: RegistryState, id: string, change: TenantChange): WantedDocument {
  const known = now.get('tenant', id);
  if (known === undefined)
    throw new CommandError(`there is no tenant ${id}`, 'register it with "meterhouse apply"');
  const said = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  return wanted('tenant', id, { ...known, ...said });
}

/**
 * The same command again changes the same override, it does not add another.
 * @throws ProblemsError; CommandError where the id is another limit's
 */
export function overrideOf(now: RegistryState, body: OverrideDocument): WantedDocument {
  const document = wanted('override', body.id, body);
  const known = now.get('override', body.id);
  if (known !== undefined)
    for (const field of ['tenant', 'metric', 'period'] as const)
      if (known[field] !== body[field])
        throw new CommandError(
          `override ${body.id} is for ${known.tenant}, ${known.metric} ${perPeriod(known.period)}`,
          'give this one another --id',
        );
  return document;
}

/** @throws CommandError where there is none, or it has ended already */
export function endedOverride(now: RegistryState, id: string, at: number): WantedDocument {
  const known = now.get('override', id);
  if (known === undefined)
    throw new CommandError(`there is no override ${id}`, 'see "meterhouse limits show --tenant T"');
  if (standingOf(known, at) === 'ended')
    throw new CommandError(`override ${id} ended at ${known.expiry ?? ''} already`);
  return wanted('override', id, { ...known, expiry: new Date(at).toISOString() });
}

function wanted(kind: 'tenant' | 'override', id: string, body: unknown): WantedDocument {
  const parsed = DOCUMENTS[kind].safeParse(body);
  const path = `${kind} ${id}`;
  if (!parsed.success) throw new ProblemsError(`${path} cannot be written`, problemsOf(parsed.error));
  return { kind, id, body: parsed.data, path };
}
