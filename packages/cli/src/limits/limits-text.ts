/** What `limits show` prints. */
import { formatDecimal } from '@meterhouse/usage';
import type { Span } from '@meterhouse/usage/calendar';
import { formatHour, formatInstant, formatLength } from '../output/instants.ts';
import { withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { printable } from '../output/printable.ts';
import { renderTable, type Column } from '../output/table.ts';
import type { LimitsView, ShownCeiling, Standing } from './limits-view.ts';

export function limitsJson(view: LimitsView): Json {
  return {
    registryVersion: view.registryVersion.toString(),
    class: view.class,
    calendar: {
      ...view.calendar,
      day: instants(view.current.day),
      month: instants(view.current.month),
    },
    lineage: view.lineage.map(({ billing, ...tenant }) => ({ ...tenant, billing: billing ?? null })),
    ceilings: view.ceilings.map((ceiling) => ({
      metric: ceiling.metric,
      scope: ceiling.scope,
      value: formatDecimal(ceiling.value),
      period: ceiling.period,
      mode: ceiling.mode,
      warnFrom: ceiling.warnFrom.map(formatDecimal),
      headroom: ceiling.headroom,
      strict: ceiling.strict,
      source: ceiling.source,
      liftedBy: ceiling.liftedBy,
    })),
    overrides: view.overrides.map((each) => ({ ...each })),
    delegations: view.delegations.map((each) => ({ ...each })),
    entitlements: view.entitlements.map((each) => ({ ...each })),
    rates: view.rates.map((each) => ({ ...each })),
    concurrency: view.concurrency.map((each) => ({ ...each })),
  };
}

export function renderLimits(view: LimitsView, palette: Palette): string {
  const tenant = view.lineage[0];
  const class_ = view.class.replace('_', ' ');
  const head = `${palette.bold(tenant?.id ?? '')}, ${class_}: ${CLASS_MEANS[view.class]}; registry version ${view.registryVersion}\n`;
  return [
    head,
    `${calendarWords(view)}\n`,
    lineageTable(view, palette),
    section('Ceilings', ceilingTable(view.ceilings, palette), 'no ceiling on any metric\n', palette),
    section('Overrides', overrideTable(view, palette), null, palette),
    section('Rights to raise', delegationTable(view, palette), null, palette),
    section('Entitlements', entitlementTable(view, palette), 'entitled to nothing\n', palette),
    section('Rates', rateTable(view, palette), null, palette),
    section('At once', concurrencyTable(view, palette), null, palette),
  ].join('');
}

function instants({ start, end }: Span): { start: string; end: string } {
  return { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
}

function calendarWords({ calendar: { timeZone, anchorDay }, current: { day, month } }: LimitsView): string {
  const [today, thisMonth] = [day, month].map(
    ({ start, end }) => `${formatHour(start)} to ${formatHour(end)}`,
  );
  return `Days and months by ${timeZone}, months from day ${anchorDay}: today is ${today ?? ''}, this month ${thisMonth ?? ''}`;
}

const CLASS_MEANS = {
  internal: 'recorded, never blocked by a quota',
  arms_length: 'warned where a quota is used up',
  external: 'denied where a hard quota is used up',
};

/** @param otherwise what to say where there are no rows; null: nothing at all */
function section(title: string, table: string, otherwise: string | null, palette: Palette): string {
  if (table === '' && otherwise === null) return '';
  return `\n${palette.bold(title)}\n${table === '' ? (otherwise ?? '') : table}`;
}

function columns(...titles: readonly string[]): Column[] {
  return titles.map((title) => ({ title, align: title === 'value' ? 'right' : 'left' }));
}

function lineageTable({ lineage }: LimitsView, palette: Palette): string {
  return renderTable(
    columns('scope', 'name', 'class', 'status', 'plan'),
    lineage.map(({ id, name, class: class_, status, plan }) => [
      id,
      printable(name),
      class_?.replace('_', ' ') ?? palette.dim('(its parent’s)'),
      status === 'active' ? status : palette.bad(status),
      plan ?? palette.dim('(none)'),
    ]),
    palette,
  );
}

function ceilingTable(ceilings: readonly ShownCeiling[], palette: Palette): string {
  return renderTable(
    columns('metric', 'scope', 'value', 'period', 'mode', 'warns from', 'source', ''),
    ceilings.map(({ metric, scope, value, period, mode, strict, warnFrom, source, liftedBy }) => [
      metric,
      scope,
      withThousands(formatDecimal(value)),
      period,
      strict === null ? mode : `${mode}, strict`,
      warnFrom.map((from) => withThousands(formatDecimal(from))).join(', '),
      source,
      liftedBy === null ? '' : palette.warn(`lifted by ${liftedBy}`),
    ]),
    palette,
  );
}

function overrideTable({ overrides }: LimitsView, palette: Palette): string {
  return renderTable(
    columns(
      'id',
      'scope',
      'metric',
      'value',
      'period',
      'raises by',
      'standing',
      'from',
      'to',
      'author',
      'reason',
    ),
    overrides.map((each) => [
      each.id,
      each.tenant,
      each.metric,
      withThousands(each.value),
      each.period,
      each.raises === null
        ? ''
        : each.raises.by === 'privileged'
          ? palette.warn('privilege')
          : each.raises.delegation,
      each.standing === 'in force' && !each.decides
        ? palette.dim('in force, does not decide')
        : standing(each.standing, palette),
      ...interval(each),
      printable(each.author),
      printable(each.reason),
    ]),
    palette,
  );
}

function delegationTable({ delegations }: LimitsView, palette: Palette): string {
  return renderTable(
    columns(
      'id',
      'given by',
      'to',
      'metric',
      'value',
      'period',
      'standing',
      'from',
      'to',
      'author',
      'reason',
    ),
    delegations.map((each) => [
      each.id,
      each.tenant,
      each.to,
      each.metric,
      withThousands(each.upTo),
      each.period,
      standing(each.standing, palette),
      ...interval(each),
      printable(each.author),
      printable(each.reason),
    ]),
    palette,
  );
}

function entitlementTable({ entitlements }: LimitsView, palette: Palette): string {
  return renderTable(
    columns('scope', 'product', 'resource', 'action', 'tier', 'source', 'standing', 'from', 'to'),
    entitlements.map((each) => [
      each.scope,
      each.product,
      each.resourceType,
      each.action,
      each.tier ?? '',
      each.source,
      standing(each.standing, palette),
      ...interval(each),
    ]),
    palette,
  );
}

function rateTable({ rates }: LimitsView, palette: Palette): string {
  return renderTable(
    columns('scope', 'plan', 'rate', 'route', 'value', 'in', 'burst', 'by', 'store away'),
    rates.map((rate) => [
      rate.scope,
      rate.plan,
      rate.id,
      rate.route ?? 'every',
      withThousands(rate.limit),
      formatLength(rate.periodMs),
      withThousands(rate.burst ?? rate.limit),
      rate.algorithm.replace('_', ' '),
      rate.whenUnavailable,
    ]),
    palette,
  );
}

function concurrencyTable({ concurrency }: LimitsView, palette: Palette): string {
  return renderTable(
    columns('scope', 'plan', 'limit', 'route', 'product', 'resource', 'action', 'value', 'lease'),
    concurrency.map(({ scope, plan, id, route, product, resourceType, action, limit, leaseMs }) => [
      ...[scope, plan, id],
      ...[route, product, resourceType, action].map((each) => each ?? 'every'),
      withThousands(limit),
      formatLength(leaseMs),
    ]),
    palette,
  );
}

function standing(text: Standing, palette: Palette): string {
  return text === 'in force' ? palette.good(text) : palette.dim(text);
}

function interval({
  start,
  expiry,
}: {
  readonly start: string | null;
  readonly expiry: string | null;
}): string[] {
  return [start, expiry].map((instant) => (instant === null ? '' : formatInstant(Date.parse(instant))));
}
