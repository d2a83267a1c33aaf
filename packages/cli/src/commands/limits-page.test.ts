/**
 * Guarantees, on a real Postgres:
 * - the complete example in docs/enforcement/limits.md applies as it stands, with --privileged and not
 *   without, and applying it again changes nothing and needs no privilege
 * - its limits are what the page says of them; the page's commands are accepted
 * - docs/security/overrides-and-denials.md explains every reason that there is, in decide()'s order
 */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { REASONS } from '@meterhouse/quota';
import { commandBed } from '../testing.ts';

const page = (path: string): Promise<string> =>
  readFile(new URL(`../../../../docs/${path}`, import.meta.url), 'utf8');

function block(text: string, language: string, nth = 0): string {
  const found = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))][nth]?.[1];
  if (found === undefined) throw new Error(`the page has no ${language} block ${nth}`);
  return found;
}

/** A shell's words, as far as the page needs them: quotes and continued lines. */
function commandsIn(script: string): string[][] {
  return script
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.startsWith('meterhouse '))
    .map((line) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? ''))
    .map(([, ...args]) => args);
}

const bed = await commandBed();
const limits = await page('enforcement/limits.md');

test('the example applies as it stands', async () => {
  const file = await bed.file('registry.yaml', block(limits, 'yaml'));
  const refused = await bed.run('apply', '-f', file);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain(
    'delegations[0]: delegating the right to raise a ceiling is a privileged act',
  );
  expect((await bed.run('apply', '-f', file, '--privileged')).stderr).toBe('');
  const again = (await bed.json(['apply', '-f', file])) as { entries: { change: string }[] };
  expect(new Set(again.entries.map(({ change }) => change))).toEqual(new Set(['unchanged']));
});

test('its limits are what the page says', async () => {
  const { ceilings } = (await bed.json([
    'limits',
    'show',
    '--tenant',
    'acme-search',
    '--metric',
    'llm.tokens',
  ])) as {
    ceilings: { scope: string; period: string; value: string; source: string; liftedBy: string | null }[];
  };
  expect(
    ceilings.map(({ scope, period, value, source, liftedBy }) => [scope, period, value, source, liftedBy]),
  ).toEqual([
    ['acme-search', 'day', '1200000', 'override:search-launch', null],
    ['acme', 'month', '20000000', 'plan:pro', null],
    ['acme', 'day', '1000000', 'plan:pro', 'override:search-launch'],
  ]);
});

test('its commands are accepted', async () => {
  const script = block(limits, 'sh', 1).replaceAll(/ --expiry \S+/g, '');
  const commands = commandsIn(script);
  expect(commands.length).toBeGreaterThan(5);
  for (const args of commands) {
    const { exitCode, stderr } = await bed.run(...args);
    expect([args, exitCode, stderr]).toEqual([args, 0, '']);
  }
});

test('every reason is explained, in order', async () => {
  const rows = [...(await page('security/overrides-and-denials.md')).matchAll(/^\| `(\w+)` +\| (\S)/gm)];
  expect(rows.map(([, reason]) => reason)).toEqual([...REASONS]);
});
