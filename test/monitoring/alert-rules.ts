/** The rules of deploy/prometheus/alerts.yaml, read, and rendered with shorter times for a run of minutes. */
import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { RULES_PATH } from './prometheus.ts';

const rule = z.strictObject({
  alert: z.string(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook: z.string() }),
});
const ruleFile = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule) })),
});

export type AlertRule = z.infer<typeof rule>;
export type RuleFile = z.infer<typeof ruleFile>;

export function readRules(): RuleFile {
  return ruleFile.parse(parse(readFileSync(RULES_PATH, 'utf8')));
}

export function alertRules(file: RuleFile): readonly AlertRule[] {
  return file.groups.flatMap(({ rules }) => rules);
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** @param duration such as `15m` @returns 0 where there is none */
export function secondsOf(duration: string | undefined): number {
  if (duration === undefined) return 0;
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(duration) ?? [];
  const seconds = UNIT_SECONDS[unit];
  if (seconds === undefined) throw new RangeError(`${duration} is no duration`);
  return Number(count) * seconds;
}

export interface Scaling {
  /** Times are divided by this. */
  readonly divisor: number;
  /** … and are never shorter than this: a window must see some scrapes, a threshold must stand above what is usual. */
  readonly atLeastSeconds: number;
  /** … nor longer: nobody waits for a day. */
  readonly atMostSeconds: number;
}

/**
 * Shortens `for`, the windows in brackets and the ages that conditions compare with (`N * 60`, `N * 3600`).
 * Counts, shares and everything else stay as they are.
 */
export function scaledRules(file: RuleFile, scaling: Scaling): RuleFile {
  return {
    groups: file.groups.map(({ name, rules }) => ({
      name,
      rules: rules.map((each) => ({
        ...each,
        expr: scaledExpression(each.expr, scaling),
        ...(each.for === undefined ? {} : { for: `${Math.ceil(secondsOf(each.for) / scaling.divisor)}s` }),
      })),
    })),
  };
}

function scaledExpression(expression: string, scaling: Scaling): string {
  const scaled = (seconds: number): number =>
    Math.min(scaling.atMostSeconds, Math.max(scaling.atLeastSeconds, Math.ceil(seconds / scaling.divisor)));
  return expression
    .replace(/\[(\d+[smhd])\]/g, (_all, duration: string) => `[${scaled(secondsOf(duration))}s]`)
    .replace(/(\d+) \* (60|3600)\b/g, (_all, count: string, unit: string) =>
      String(scaled(Number(count) * Number(unit))),
    );
}

export function rulesText(file: RuleFile): string {
  return stringify(file);
}

/** The names of metrics in an expression: what is followed by nothing that makes it a function or a label. */
export function metricsIn(expression: string): readonly string[] {
  const bare = expression.replace(/"[^"]*"/g, '""').replace(/\{[^}]*\}/g, '');
  const names = bare.replace(/\b(by|on|without|ignoring)\s*\([^)]*\)/g, '').matchAll(/[a-z_]+(?!\w|\s*\()/g);
  const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 's', 'm', 'h', 'd']);
  return [...new Set(Array.from(names, ([name]) => name))].filter((name) => !words.has(name));
}
