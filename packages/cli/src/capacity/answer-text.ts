/** What the operations on reservations print, and how they end. */
import type { CapacityAnswer } from '@meterhouse/postgres/capacity';
import type { ExitCode } from '../exit.ts';
import { formatInstant } from '../output/instants.ts';
import { withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';

/** Instants as RFC 3339, units and ids as text. */
export function answerJson(answer: CapacityAnswer): Json {
  return Object.fromEntries(
    Object.entries(answer).map(([field, value]): [string, Json] => {
      if (typeof value === 'bigint') return [field, value.toString()];
      if (typeof value === 'number' && field.endsWith('At')) return [field, new Date(value).toISOString()];
      return [field, value as string | number | null];
    }),
  );
}

/** Asking to release what is released is not a failure; anything else that is not what was asked for is. */
export function exitCodeOf(answer: CapacityAnswer, asked: CapacityAnswer['kind']): ExitCode {
  return answer.kind === asked ? 0 : 1;
}

export function renderAnswer(answer: CapacityAnswer, palette: Palette): string {
  return `${sentence(answer, palette)}\n`;
}

function sentence(answer: CapacityAnswer, palette: Palette): string {
  switch (answer.kind) {
    case 'reserved':
    case 'confirmed':
    case 'renewed':
      return `${palette.good(answer.kind)}: reservation ${answer.reservationId}, token ${answer.fencingToken}, ${until(answer.expiresAt)}`;
    case 'does_not_expire':
      return `reservation ${answer.reservationId} stands until it is released: there is nothing to renew`;
    case 'released':
      return `reservation ${answer.reservationId} was released at ${formatInstant(answer.endedAt)}`;
    case 'expired':
      return `${palette.bad('expired')}: the time of reservation ${answer.reservationId} was over at ${formatInstant(answer.endedAt)}, and its units are free`;
    case 'ended':
      return `${palette.bad('ended')}: this key's reservation ${answer.reservationId} was ${answer.state} at ${formatInstant(answer.endedAt)}; reserve with another key`;
    case 'no_capacity':
      return `${palette.bad('no capacity')}: ${withThousands(answer.reserved)} of ${withThousands(answer.size)} are reserved; ${frees(answer)}`;
    case 'conflict':
      return `${palette.bad('conflict')}: the same was asked before with another ${answer.field}`;
    case 'stale_token':
      return `${palette.bad('stale token')}: somebody else has renewed this reservation since; see "meterhouse reservations list"`;
    case 'unknown_pool':
      return `${palette.bad('unknown pool')}: see "meterhouse pools"`;
    case 'unknown_tenant':
      return `${palette.bad('unknown tenant')}: register it with "meterhouse apply"`;
    case 'unknown_reservation':
      return `${palette.bad('unknown reservation')}: this tenant has none of this id`;
  }
}

function until(expiresAt: number | null): string {
  return expiresAt === null ? 'until it is released' : `until ${formatInstant(expiresAt)}`;
}

function frees({ freesAt, freesUnits }: { freesAt: number | null; freesUnits: bigint }): string {
  if (freesAt !== null)
    return `it fits at ${formatInstant(freesAt)}, when ${withThousands(freesUnits)} have expired`;
  return `time alone frees ${withThousands(freesUnits)}, which is not enough`;
}
