/** From what a board says to Grafana's own form, by Grafana's own builders for release 11. Pure. */
import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import type { BoardSpec, PanelQuery, PanelSpec } from './panel.ts';

/** Any Prometheus will do: the variable takes the default one. */
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const TAG = 'meterhouse';
/** Compose puts docs/runbooks there, below Grafana's own address; elsewhere the variable says where it is published. */
const RUNBOOKS = '/public/runbooks';
const HEIGHT = 8;
const NUMBER_HEIGHT = 5;

export function boardOf(spec: BoardSpec): dashboard.Dashboard {
  const builder = new dashboard.DashboardBuilder(spec.title)
    .uid(spec.uid)
    .description(spec.description)
    .tags([TAG])
    .timezone('browser')
    .time({ from: spec.from, to: 'now' })
    .refresh(spec.refresh)
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .readonly()
    .variables([
      new dashboard.DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'),
      new dashboard.TextBoxVariableBuilder('runbooks')
        .label('Runbooks')
        .defaultValue(RUNBOOKS)
        .current({ text: RUNBOOKS, value: RUNBOOKS, selected: true }),
      ...spec.variables.map(variableOf),
    ])
    .link(
      new dashboard.DashboardLinkBuilder('Meterhouse')
        .type(dashboard.DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .keepTime(true),
    );
  let id = 1;
  for (const row of spec.rows) {
    builder.withRow(new dashboard.RowBuilder(row.title).id(id++));
    for (const panel of row.panels) builder.withPanel(panelOf(panel, id++));
  }
  return builder.build();
}

function variableOf(variable: BoardSpec['variables'][number]): { build(): dashboard.VariableModel } {
  switch (variable.kind) {
    case 'label':
      return new dashboard.QueryVariableBuilder(variable.name)
        .label(variable.title)
        .datasource(DATASOURCE)
        .query({ query: `label_values(${variable.metric}, ${variable.label})`, refId: variable.name })
        .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
        .sort(dashboard.VariableSort.AlphabeticalAsc)
        .multi(true)
        .includeAll(true)
        .allValue('.*')
        .current({ text: 'All', value: '$__all', selected: true });
    case 'choice':
      return new dashboard.CustomVariableBuilder(variable.name)
        .label(variable.title)
        .values(variable.values.join(','))
        .options(variable.values.map((value, index) => ({ text: value, value, selected: index === 0 })))
        .current({ text: variable.values[0], value: variable.values[0], selected: true })
        .allowCustomValue(false);
  }
}

type AnyBuilder = timeseries.PanelBuilder | stat.PanelBuilder | bargauge.PanelBuilder | table.PanelBuilder;

function panelOf(spec: PanelSpec, id: number): AnyBuilder {
  const builder = visualization(spec)
    .id(id)
    .title(spec.title)
    .description(spec.description)
    .datasource(DATASOURCE)
    .unit(spec.unit)
    .span(spec.width)
    .height(spec.height ?? (spec.kind === 'number' ? NUMBER_HEIGHT : HEIGHT))
    .min(0)
    .thresholds(thresholdsOf(spec.limits));
  spec.queries.forEach((query, index) => builder.withTarget(targetOf(query, index, spec)));
  if (spec.max !== undefined) builder.max(spec.max);
  if (spec.runbook !== undefined)
    builder.links([
      new dashboard.DashboardLinkBuilder(`Runbook: ${spec.runbook}`)
        .type(dashboard.DashboardLinkType.Link)
        .url(`\${runbooks}/${spec.runbook}.md`)
        .targetBlank(true),
    ]);
  return builder;
}

function visualization(spec: PanelSpec): AnyBuilder {
  switch (spec.kind) {
    case 'lines':
      return linesOf(spec);
    case 'stacked':
      return linesOf(spec)
        .stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal))
        .fillOpacity(30);
    case 'number':
      return new stat.PanelBuilder()
        .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
        .graphMode(common.BigValueGraphMode.Area)
        .colorMode(common.BigValueColorMode.Value);
    case 'bars':
      return new bargauge.PanelBuilder()
        .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
        .orientation(common.VizOrientation.Horizontal)
        .displayMode(common.BarGaugeDisplayMode.Basic);
    case 'table':
      return tableOf(spec);
  }
}

function linesOf(spec: PanelSpec): timeseries.PanelBuilder {
  const builder = new timeseries.PanelBuilder()
    .lineWidth(1)
    .fillOpacity(5)
    .showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(common.TooltipDisplayMode.Multi)
        .sort(common.SortOrder.Descending),
    );
  if (spec.limits !== undefined)
    builder.thresholdsStyle(
      new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed),
    );
  return builder;
}

/** Each query is a column: joined by their labels, and called by their legends. */
function tableOf({ queries }: PanelSpec): table.PanelBuilder {
  const columns = queries.map((query, index) => ({ query, name: `Value #${refIdOf(index)}` }));
  const builder = new table.PanelBuilder()
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: { Time: true },
        renameByName: Object.fromEntries(columns.map(({ query, name }) => [name, query.legend])),
      },
    })
    .sortBy([new common.TableSortByFieldStateBuilder().displayName(queries[0]?.legend ?? '').desc(true)]);
  for (const { query } of columns)
    if (query.unit !== undefined) builder.overrideByName(query.legend, [{ id: 'unit', value: query.unit }]);
  return builder;
}

function targetOf(query: PanelQuery, index: number, { kind }: PanelSpec): prometheus.DataqueryBuilder {
  const target = new prometheus.DataqueryBuilder()
    .refId(refIdOf(index))
    .datasource(DATASOURCE)
    .expr(query.expr)
    .editorMode(prometheus.QueryEditorMode.Code);
  if (kind === 'table') return target.instant().format(prometheus.PromQueryFormat.Table);
  target.legendFormat(query.legend).format(prometheus.PromQueryFormat.TimeSeries);
  return kind === 'bars' ? target.instant() : target.range();
}

/** A, B, C, … */
function refIdOf(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}

function thresholdsOf(limits: PanelSpec['limits']): dashboard.ThresholdsConfigBuilder {
  const [warn, bad] = limits ?? [];
  const steps: dashboard.Threshold[] = [{ value: null, color: 'green' }];
  if (warn !== undefined && warn !== bad) steps.push({ value: warn, color: 'orange' });
  if (bad !== undefined) steps.push({ value: bad, color: 'red' });
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps(steps);
}
