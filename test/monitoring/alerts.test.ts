/**
 * Guarantees of deploy/prometheus/alerts.yaml:
 * - promtool takes the rules and the configuration
 * - each alert fires when it must, not before its time, and does not fire where it must not (promtool)
 * - each names a runbook that is there, and every runbook is named by an alert or by the docs
 * - each metric that a condition names is one that the code exports
 *
 * promtool comes with Debian's package `prometheus`; where it cannot be had, what needs it says so and is skipped.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXPORTED } from '../docs/metrics-tables.ts';
import { ALERT_CASES } from './alert-cases.ts';
import { alertRules, metricsIn, readRules, scaledRules, secondsOf } from './alert-rules.ts';
import { hasProgram, RULES_PATH } from './prometheus.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const rules = alertRules(readRules());
const folder = mkdtempSync(join(tmpdir(), 'meterhouse-alerts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const canTest = hasProgram('promtool');
const why = canTest ? '' : ' (skipped: there is no promtool; apt-get install prometheus)';

/** @returns what it prints, also where it finds something wrong: what is wrong stands on its standard error */
function promtool(...args: readonly string[]): { readonly stdout: string; readonly stderr: string } {
  const { stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  return { stdout, stderr };
}

/** What promtool is to try of one alert, with that rule alone: evaluating all for each would take a minute. */
function unitTests(alert: string): object {
  const given = ALERT_CASES[alert];
  const rule = rules.find((each) => each.alert === alert);
  if (given === undefined || rule === undefined) throw new Error(`${alert} has no case, or no rule`);
  const expr = `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`;
  const firingIs = (times: number, eval_time: string) => ({
    ...{ expr, eval_time },
    exp_samples: [{ labels: '{}', value: times }],
  });
  const inputOf = (series: object) =>
    Object.entries(series).map(([name, values]) => ({ series: name, values: String(values) }));
  const forMinutes = Math.ceil(secondsOf(rule.for) / 60);
  const times = given.times ?? 1;
  const ruleFile = join(folder, `${alert}.rule.json`);
  writeFileSync(ruleFile, JSON.stringify({ groups: [{ name: alert, rules: [rule] }] }));
  return {
    rule_files: [ruleFile],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: inputOf(given.fires),
        promql_expr_test: [
          firingIs(times, '70m'),
          // Whatever was true from the first minute on has not been so for long enough.
          ...(forMinutes === 0 ? [] : [firingIs(0, `${forMinutes - 1}m`)]),
        ],
      },
      ...given.silent.map((series) => ({
        interval: '1m',
        input_series: inputOf(series),
        promql_expr_test: ['70m', '100m'].map((at) => firingIs(0, at)),
      })),
    ],
  };
}

test('every alert has a case, and every case an alert', () => {
  expect(Object.keys(ALERT_CASES).sort()).toEqual(rules.map(({ alert }) => alert).sort());
});

describe.skipIf(!canTest)(`promtool${why}`, () => {
  test('takes the rules, as they are and shortened, and the configuration', () => {
    expect(promtool('check', 'rules', RULES_PATH).stdout).toContain(`SUCCESS: ${rules.length} rules found`);
    const scaled = join(folder, 'scaled.json');
    const scaling = { divisor: 20, atLeastSeconds: 15, atMostSeconds: 60 };
    writeFileSync(scaled, JSON.stringify(scaledRules(readRules(), scaling)));
    expect(promtool('check', 'rules', scaled).stdout).toContain('SUCCESS');
    expect(promtool('check', 'config', join(ROOT, 'deploy/prometheus/prometheus.yml')).stdout).toContain(
      'SUCCESS',
    );
  });

  let tried: readonly string[] = [];
  let wrong = '';
  beforeAll(() => {
    const files = rules.map(({ alert }) => {
      const file = join(folder, `${alert}.json`);
      writeFileSync(file, JSON.stringify(unitTests(alert)));
      return file;
    });
    // One process for all: it says of each file how it went.
    const { stdout, stderr } = promtool('test', 'rules', ...files);
    tried = stdout.split('Unit Testing:');
    wrong = stderr;
  });

  test.each(rules.map(({ alert }) => alert))('%s fires when it must, and only then', (alert) => {
    expect(
      tried.find((part) => part.includes(`/${alert}.json`)),
      wrong,
    ).toMatch(/^\s*\S+\s+SUCCESS\s*$/);
  });
});

test('every alert names a runbook that is there, and every runbook is named by an alert or the docs', () => {
  const runbooks = readdirSync(join(ROOT, 'docs/runbooks')).map((name) => `docs/runbooks/${name}`);
  for (const { alert, annotations } of rules)
    expect(existsSync(join(ROOT, annotations.runbook)), `${alert}: ${annotations.runbook}`).toBe(true);
  const named = new Set(rules.map(({ annotations }) => annotations.runbook));
  const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !path.startsWith('runbooks'))
    .map((path) => readFileSync(join(ROOT, 'docs', path), 'utf8'))
    .join('\n');
  const unnamed = runbooks.filter((path) => !named.has(path) && !pages.includes(path.replace('docs/', '')));
  expect(unnamed).toEqual([]);
});

test('a runbook names the alerts that send people to it', () => {
  for (const { alert, annotations } of rules)
    expect(readFileSync(join(ROOT, annotations.runbook), 'utf8'), annotations.runbook).toContain(alert);
});

test('every metric in a condition is one that the code exports', () => {
  const exported = new Set(
    EXPORTED.flatMap(({ metrics }) =>
      metrics.flatMap(({ name, type }) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
      ),
    ),
  );
  // Of Prometheus itself, and of Node.
  for (const name of ['up', 'process_start_time_seconds', 'process_resident_memory_bytes'])
    exported.add(name);
  for (const { alert, expr } of rules) {
    const named = metricsIn(expr);
    expect(named.length, `${alert} names a metric`).toBeGreaterThan(0);
    expect(
      named.filter((name) => !exported.has(name)),
      alert,
    ).toEqual([]);
  }
});
