/**
 * Guarantees of deploy/grafana, without a running system:
 * - the files are what their source in deploy/grafana/source makes
 * - every metric and label that a query or a variable names is one that the code exports
 * - every panel says what it shows and in which unit; every runbook that it links to is there
 * - every list that a variable offers has a bound: labels of ours, or values that are written down
 * - panels stand beside each other, not upon each other
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Metrics } from '@meterhouse/runtime/metrics';
import { boardFile, boardPath, BOARDS } from '../../deploy/grafana/source/boards.ts';
import { EXPORTED } from '../docs/metrics-tables.ts';
import { asked, queriesOf, readDashboards, type Panel } from './dashboards.ts';
import { askedFor, PromQlError } from './promql.ts';

/** What Prometheus itself adds to every sample. */
const SCRAPE_LABELS = ['job', 'instance'];

const LABELS_OF = await exportedLabels();
const DASHBOARDS = [...readDashboards()];
const QUERIES = DASHBOARDS.flatMap(([name, dashboard]) => queriesOf(name, dashboard));

async function exportedLabels(): Promise<ReadonlyMap<string, readonly string[]>> {
  const labels = new Map<string, readonly string[]>([['up', []]]);
  // What Node says of itself comes with every registry.
  for (const [, name = ''] of (await new Metrics().text()).matchAll(/^# TYPE (\S+) /gm)) labels.set(name, []);
  for (const definition of EXPORTED.flatMap(({ metrics }) => metrics)) {
    labels.set(definition.name, definition.labels);
    if (definition.type !== 'histogram') continue;
    labels.delete(definition.name);
    labels.set(`${definition.name}_bucket`, [...definition.labels, 'le']);
    labels.set(`${definition.name}_sum`, definition.labels);
    labels.set(`${definition.name}_count`, definition.labels);
  }
  return labels;
}

/** What a query names that nobody exports. */
function unknownIn(query: string): readonly string[] {
  const { metrics, labels } = askedFor(query);
  const known = new Set([...SCRAPE_LABELS, ...[...metrics].flatMap((name) => LABELS_OF.get(name) ?? [])]);
  return [
    ...[...metrics].filter((name) => !LABELS_OF.has(name)),
    ...[...labels].filter((label) => !known.has(label)),
  ];
}

test.each(BOARDS)('$file.json is what its source makes: npm run dashboards:generate', async (board) => {
  expect(readFileSync(boardPath(board), 'utf8')).toBe(await boardFile(board));
});

test('there is a file for each board, and no other', () => {
  expect(DASHBOARDS.map(([name]) => name).sort()).toEqual(BOARDS.map(({ file }) => file).sort());
});

test.each(QUERIES)('$dashboard: $panel, $refId', ({ expr }) => {
  expect(unknownIn(asked(expr, '5m'))).toEqual([]);
});

test('a metric that nobody exports, a label that it does not have, and what is no query are found', () => {
  expect(unknownIn('sum by (route) (rate(usage_events_total{source="a"}[5m]))')).toEqual(['route']);
  expect(unknownIn('usage_aggregator_lag_secnds')).toEqual(['usage_aggregator_lag_secnds']);
  expect(() => askedFor('sum by (rate(')).toThrow(PromQlError);
});

test.each(DASHBOARDS)('%s: variables are bounded', (_, { templating }) => {
  for (const { name, type, query } of templating.list)
    switch (type) {
      case 'datasource':
      case 'textbox':
      case 'custom':
        break;
      case 'query': {
        const text = typeof query === 'string' ? query : query.query;
        const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(text) ?? [];
        expect(LABELS_OF.get(metric), `${name}: ${text}`).toContain(label);
        break;
      }
      default:
        throw new Error(`a variable of the type ${type}`);
    }
});

const panels = DASHBOARDS.flatMap(([name, dashboard]) => dashboard.panels.map((panel) => ({ name, panel })));

test.each(panels.filter(({ panel }) => panel.type !== 'row'))(
  '$name: $panel.title says what it shows',
  ({ panel }) => {
    expect(panel.description?.length).toBeGreaterThan(20);
    expect(panel.fieldConfig?.defaults.unit).toMatch(/^[a-z]+$/);
    expect(panel.targets?.length).toBeGreaterThan(0);
    for (const { url } of panel.links ?? []) {
      const file = /^\$\{runbooks\}\/([a-z-]+\.md)$/.exec(url)?.[1] ?? url;
      expect(existsSync(fileURLToPath(new URL(`../../docs/runbooks/${file}`, import.meta.url))), url).toBe(
        true,
      );
    }
  },
);

test.each(DASHBOARDS)('%s: no panel lies upon another, and none is wider than the page', (_, dashboard) => {
  const overlap = (a: Panel['gridPos'], b: Panel['gridPos']): boolean =>
    a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
  for (const [index, { title, gridPos, id }] of dashboard.panels.entries()) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (const other of dashboard.panels.slice(index + 1)) {
      expect(overlap(gridPos, other.gridPos), `${title} and ${other.title}`).toBe(false);
      expect(id).not.toBe(other.id);
    }
  }
});
