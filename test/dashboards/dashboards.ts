/** The dashboards as Grafana reads them: every query of every panel, and of every variable. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const FOLDER = fileURLToPath(new URL('../../deploy/grafana/dashboards/', import.meta.url));

const target = z.object({ refId: z.string(), expr: z.string() });
const panel = z.object({
  id: z.int(),
  type: z.string(),
  title: z.string(),
  description: z.string().optional(),
  targets: z.array(target).optional(),
  links: z.array(z.object({ url: z.string() })).optional(),
  fieldConfig: z.object({ defaults: z.object({ unit: z.string().optional() }) }).optional(),
  gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
});
const variable = z.object({
  name: z.string(),
  type: z.string(),
  query: z.union([z.string(), z.object({ query: z.string() })]),
});
const dashboard = z.object({
  uid: z.string(),
  title: z.string(),
  schemaVersion: z.int(),
  panels: z.array(panel),
  templating: z.object({ list: z.array(variable) }),
});

export type Dashboard = z.infer<typeof dashboard>;
export type Panel = z.infer<typeof panel>;

/** By file name, without .json. */
export function readDashboards(): ReadonlyMap<string, Dashboard> {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  return new Map(
    files.map((name) => {
      const content: unknown = JSON.parse(readFileSync(`${FOLDER}${name}`, 'utf8'));
      return [name.slice(0, -'.json'.length), dashboard.parse(content)];
    }),
  );
}

export interface DashboardQuery {
  readonly dashboard: string;
  readonly panel: string;
  /** A, B, C, … */
  readonly refId: string;
  /** With Grafana's variables in it. */
  readonly expr: string;
}

export function queriesOf(name: string, { panels }: Dashboard): readonly DashboardQuery[] {
  return panels.flatMap((one) =>
    (one.targets ?? []).map(({ refId, expr }) => ({ dashboard: name, panel: one.title, refId, expr })),
  );
}

/**
 * As Grafana asks it with every variable on All.
 * @param window what stands for $window and $__rate_interval, such as 1m
 */
export function asked(expr: string, window: string): string {
  return expr
    .replaceAll('$__rate_interval', window)
    .replaceAll('$window', window)
    .replaceAll(/\$[a-z]+/g, '.*');
}
