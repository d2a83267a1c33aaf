/** Every variable of the meter, by the section of its file that it stands for. */
import { meterOptions } from '../../packages/producer/src/configuration/schema.ts';
import { variablesOf, type Variable } from '../../packages/producer/src/configuration/variables.ts';
import { markdownTable } from './markdown-table.ts';

export function meterVariables(): string {
  const sections = Map.groupBy(variablesOf(meterOptions()), ({ path }) => path.slice(0, -1).join('.'));
  return [...sections]
    .map(([section, variables]) =>
      [
        `## ${section === '' ? 'The meter' : `\`[${section}]\``}`,
        markdownTable(
          ['variable', 'in the file', 'what it is', 'default', 'meaning'],
          variables.map((variable) => row(variable)),
        ),
      ].join('\n\n'),
    )
    .join('\n\n');
}

function row({ name, path, kind, isSecret, choices, fallback, isNeeded, description }: Variable): string[] {
  const what = choices === null ? kind : choices.map((choice) => `\`${choice}\``).join(', ');
  const given = fallback === null ? (isNeeded ? '**required**' : 'none') : `\`${fallback}\``;
  return [`\`${name}\``, `\`${path.at(-1) ?? ''}\``, isSecret ? `${what}, secret` : what, given, description];
}
