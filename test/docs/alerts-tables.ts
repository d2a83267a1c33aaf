/** docs/ops/alerts.md: every alert as deploy/prometheus/alerts.yaml has it. */
import { alertRules, readRules } from '../monitoring/alert-rules.ts';
import { markdownTable } from './markdown-table.ts';

export function alertsTables(): string {
  return readRules()
    .groups.map(({ name, rules }) =>
      [
        `## ${name}`,
        markdownTable(
          ['alert', 'severity', 'when', 'for', 'runbook'],
          alertRules({ groups: [{ name, rules }] }).map(({ alert, labels, expr, for: held, annotations }) => [
            `\`${alert}\``,
            labels.severity,
            `\`${expr.replaceAll('|', '\\|')}\``,
            held ?? 'at once',
            `[${annotations.runbook.replace('docs/runbooks/', '').replace('.md', '')}](${annotations.runbook.replace('docs/', '../')})`,
          ]),
        ),
      ].join('\n\n'),
    )
    .join('\n\n');
}
