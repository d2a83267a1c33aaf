/** What `backtest` prints. */
import type { AsOf } from '@meterhouse/postgres';
import { perPeriod, type Effect, type Verdict } from '@meterhouse/quota';
import { formatDecimal } from '@meterhouse/usage';
import { formatHour } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';
import { renderAsOf } from '../usage/as-of.ts';

export interface BacktestAnswer {
  readonly file: string;
  readonly registryVersion: bigint;
  /** Documents that the file would change. */
  readonly laidOver: number;
  readonly from: number;
  readonly to: number;
  readonly verdicts: readonly Verdict[];
  readonly asOf: AsOf;
}

const iso = (ts: number): string => new Date(ts).toISOString();

export function backtestJson(answer: BacktestAnswer): Json {
  return {
    registryVersion: answer.registryVersion.toString(),
    laidOver: answer.laidOver,
    from: iso(answer.from),
    to: iso(answer.to),
    resolution: 'hour',
    completeThrough: answer.asOf.completeThrough === null ? null : iso(answer.asOf.completeThrough),
    verdicts: answer.verdicts.map((verdict) => ({
      tenantId: verdict.tenantId,
      metric: verdict.metric,
      class: verdict.class,
      effects: verdict.effects.map(({ effect, hours, firstHour }) => ({
        effect,
        hours,
        firstHour: iso(firstHour),
      })),
      ceilings: verdict.ceilings.map(
        ({ ceiling, effect, reason, hours, firstHour, lastHour, worst }): Json => ({
          scope: ceiling.scope,
          period: ceiling.period,
          value: formatDecimal(ceiling.value),
          mode: ceiling.mode,
          source: ceiling.source,
          effect,
          reason,
          hours,
          firstHour: iso(firstHour),
          lastHour: iso(lastHour),
          worst: {
            hour: iso(worst.hour),
            used: formatDecimal(worst.used),
            over: formatDecimal(worst.over),
          },
        }),
      ),
    })),
  };
}

/** @param limit lines of each table at most */
export function renderBacktest(answer: BacktestAnswer, limit: number, palette: Palette): string {
  const { verdicts } = answer;
  const head = `${palette.bold(`${formatHour(answer.from)} to ${formatHour(answer.to)}`)}, ${answer.file} (${counted(answer.laidOver, 'change')}) over registry version ${answer.registryVersion}; nothing was written\n`;
  const foot = `${palette.dim(PER_HOUR)}\n${renderAsOf(answer.asOf, palette)}\n`;
  if (verdicts.length === 0)
    return `${head}${palette.good('nobody')} would have been warned or denied\n${foot}`;
  const whoRows = verdicts.flatMap((verdict) =>
    verdict.effects.map(({ effect, hours, firstHour }) => [
      verdict.tenantId,
      verdict.metric,
      verdict.class.replace('_', ' '),
      paint(effect, palette),
      counted(hours, 'hour'),
      formatHour(firstHour),
    ]),
  );
  const ceilingRows = verdicts.flatMap(({ tenantId, metric, ceilings }) =>
    ceilings.map(({ ceiling, effect, reason, hours, firstHour, worst }) => [
      tenantId,
      metric,
      `${ceiling.scope} ${withThousands(formatDecimal(ceiling.value))} ${perPeriod(ceiling.period)}, ${ceiling.mode} (${ceiling.source})`,
      paint(effect, palette),
      reason === 'quota_warning' ? 'nearly used up' : 'used up',
      withThousands(hours),
      formatHour(firstHour),
      withThousands(formatDecimal(worst.used)),
      worst.over > 0n ? withThousands(formatDecimal(worst.over)) : '',
      formatHour(worst.hour),
    ]),
  );
  const who = renderTable(
    [
      { title: 'tenant' },
      { title: 'metric' },
      { title: 'class' },
      { title: 'would have been' },
      { title: 'in' },
      { title: 'first' },
    ],
    whoRows.slice(0, limit),
    palette,
  );
  const ceilings = renderTable(
    [
      { title: 'tenant' },
      { title: 'metric' },
      { title: 'ceiling' },
      { title: 'by it' },
      { title: 'quota' },
      { title: 'hours', align: 'right' },
      { title: 'first' },
      { title: 'most used', align: 'right' },
      { title: 'over by', align: 'right' },
      { title: 'at the end of' },
    ],
    ceilingRows.slice(0, limit),
    palette,
  );
  const hidden = Math.max(whoRows.length, ceilingRows.length) - limit;
  const more = hidden > 0 ? palette.dim(`${counted(hidden, 'more line')}: --limit, or --json for all\n`) : '';
  return `${head}${who}\n${ceilings}${more}${foot}`;
}

const PER_HOUR =
  'Per hour: the order within an hour is not known. An hour counts where the tenant used something and usage stood above the ceiling at its end; everything recorded is taken as let through.';

function paint(effect: Effect, palette: Palette): string {
  switch (effect) {
    case 'denied':
      return palette.bad('denied');
    case 'warned':
      return palette.warn('warned');
    case 'recorded':
      return palette.dim('recorded, not blocked');
  }
}
