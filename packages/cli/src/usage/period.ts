/** The span of time that a question about usage is for: whole hours, from in, to out. Pure. */
import { HOUR_MS, hourOf, periodStart } from '@meterhouse/usage';
import { UsageError } from '../exit.ts';
import { parseInstantOption, parseLength } from '../output/instants.ts';

export interface SpanOptions {
  readonly since?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

const DEFAULT_SINCE = '24h';

/**
 * @param byDay days are shown whole, so the first begins at its midnight
 * @throws UsageError when the span is contradictory, empty, or cuts an hour in two
 */
export function spanOf(options: SpanOptions, byDay: boolean, now: number): Span {
  if (options.since !== undefined && options.from !== undefined)
    throw new UsageError('--since and --from exclude each other');
  const to = options.to === undefined ? hourOf(now) + HOUR_MS : wholeHour('--to', options.to);
  const from =
    options.from === undefined
      ? startOf(now - parseLength('--since', options.since ?? DEFAULT_SINCE), byDay)
      : wholeHour('--from', options.from);
  if (from >= to) throw new UsageError('the span is empty: its start does not lie before its end');
  return { from, to };
}

function startOf(ts: number, byDay: boolean): number {
  return byDay ? periodStart('day', ts) : hourOf(ts);
}

function wholeHour(option: string, text: string): number {
  const ts = parseInstantOption(option, text);
  if (ts !== hourOf(ts)) throw new UsageError(`${option}: usage is kept by the hour; give a whole hour`);
  return ts;
}
