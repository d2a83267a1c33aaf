import { describeVariables, type DescribedVariable } from '@meterhouse/runtime/service';
import * as aggregator from '../../services/aggregator/src/configuration.ts';
import * as api from '../../services/api/src/configuration.ts';
import * as decisionLog from '../../services/decision-log/src/configuration.ts';
import * as quotaSnapshot from '../../services/quota-snapshot/src/configuration.ts';
import * as webhooks from '../../services/webhooks/src/configuration.ts';
import { markdownTable } from './markdown-table.ts';

/** Every service, with what it reads. */
export const SERVICES = {
  aggregator,
  'quota-snapshot': quotaSnapshot,
  'decision-log': decisionLog,
  webhooks,
  api,
} as const;

export function configurationTables(): string {
  return Object.entries(SERVICES)
    .map(([name, { PURPOSE, variables }]) =>
      [
        `## ${name}`,
        `Run \`node services/${name}/src/main.ts\`; it ${PURPOSE}`,
        markdownTable(
          ['variable', 'what it is', 'default', 'meaning'],
          describeVariables(variables).map(row),
        ),
      ].join('\n\n'),
    )
    .join('\n\n');
}

function row({ name, kind, fallback, meaning }: DescribedVariable): string[] {
  const given = fallback === null ? '**required**' : fallback === '' ? 'none' : `\`${fallback}\``;
  return [`\`${name}\``, kind, given, meaning];
}
