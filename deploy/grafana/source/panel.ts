/** What a panel says, without how Grafana writes it down. */

type PanelKind =
  /** Over time. */
  | 'lines'
  /** Over time, on top of each other. */
  | 'stacked'
  /** The newest value, large. */
  | 'number'
  /** The newest value of each series, as a bar. */
  | 'bars'
  /** The newest values, a row for each set of labels and a column for each query. */
  | 'table';

export interface PanelQuery {
  /** PromQL. Of Grafana's variables it may use those of its board, and $__rate_interval. */
  readonly expr: string;
  /** `{{label}}`; of a table: the column's title. */
  readonly legend: string;
  /** Of a table's column, where it is not the panel's. */
  readonly unit?: string;
}

export interface PanelSpec {
  readonly kind: PanelKind;
  readonly title: string;
  /** What it shows, what it shows when all is well, and what to do otherwise. */
  readonly description: string;
  /** As Grafana calls it: s, short, percentunit, bytes, ops, … */
  readonly unit: string;
  readonly queries: readonly PanelQuery[];
  /** Of 24 columns. */
  readonly width: number;
  readonly height?: number;
  /** File in docs/runbooks, without .md. */
  readonly runbook?: string;
  /** From here it is worth a look, and from there it is bad. */
  readonly limits?: readonly [number, number];
  /** The axis ends there. */
  readonly max?: number;
}

export interface RowSpec {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

/** One of a bounded list: every label of ours has a bound, see docs/ops/metrics.md. */
interface LabelVariable {
  readonly kind: 'label';
  readonly name: string;
  readonly title: string;
  readonly metric: string;
  readonly label: string;
}

interface ChoiceVariable {
  readonly kind: 'choice';
  readonly name: string;
  readonly title: string;
  /** The first is chosen at the start. */
  readonly values: readonly [string, ...string[]];
}

export interface BoardSpec {
  readonly uid: string;
  /** File in deploy/grafana/dashboards, without .json. */
  readonly file: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly (LabelVariable | ChoiceVariable)[];
  readonly rows: readonly RowSpec[];
  /** What is looked at when it is opened, such as now-6h. */
  readonly from: string;
  readonly refresh: string;
}
