/** Which quarantined events a person means. Asking for all of them has to be said. */
import type { QuarantineFilter } from '@meterhouse/postgres';
import { QUARANTINE_REASONS } from '@meterhouse/usage';
import { UsageError } from '../exit.ts';

export interface SelectionOptions {
  readonly id?: readonly bigint[];
  readonly reason?: string;
  readonly tenant?: string;
  readonly metric?: string;
  readonly all?: boolean;
}

/** @throws UsageError when nothing, or two things that exclude each other, were said */
export function selectionOf(options: SelectionOptions): QuarantineFilter {
  const filter = filterOf(options);
  const narrowed = Object.keys(filter).length > 0;
  if (options.all === true && narrowed)
    throw new UsageError('--all stands alone: leave it out to choose by id, reason, tenant or metric');
  if (options.all !== true && !narrowed)
    throw new UsageError('say which: --id ID, --reason REASON, --tenant ID, --metric NAME or --all');
  return filter;
}

export function filterOf(options: SelectionOptions): QuarantineFilter {
  if (options.reason !== undefined && !QUARANTINE_REASONS.some((reason) => reason === options.reason))
    throw new UsageError(`--reason: must be one of ${QUARANTINE_REASONS.join(', ')}`);
  return {
    ...(options.id === undefined ? {} : { ids: options.id }),
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.tenant === undefined ? {} : { tenantId: options.tenant }),
    ...(options.metric === undefined ? {} : { metric: options.metric }),
  };
}
