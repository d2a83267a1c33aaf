/** Guarantee: every command of docs/finance/api.md works as it is written. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { usageApi } from './testing.ts';

const page = await readFile(new URL('../../../../../docs/finance/api.md', import.meta.url), 'utf8');
const [variables, ...commands] = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, text]) => text ?? '');

test('the commands of the page on reading usage over HTTP work as written', async () => {
  const ends: (() => Promise<void>)[] = [];
  const world = await usageApi((end) => ends.unshift(end));
  onTestFinished(async () => {
    for (const end of ends) await end();
  });
  await world.learnPolicy();
  const ts = Date.UTC(2026, 5, 3, 9);
  const attrs = { region: 'eu', model: 'small' };
  await world.bed.count([
    { tenantId: 'acme', metric: 'tokens', value: '1', ts, attrs },
    { tenantId: 'acme-dev', metric: 'tokens', value: '2', ts, attrs },
  ]);
  expect(variables).toMatch(/^export URL=\S+ KEY=\S+\n$/);
  const answers: string[] = [];
  for (const command of commands) {
    const env = { PATH: process.env['PATH'] ?? '', URL: world.api.url, KEY: 'acme' };
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], { env });
    answers.push(stdout);
  }
  const usages = answers.map((text) =>
    text.startsWith('{')
      ? (JSON.parse(text) as { rows?: { usage: string }[] }).rows?.map(({ usage }) => usage)
      : text,
  );
  expect(usages).toEqual([[], ['1', '2'], ['3'], ['1'], '304\n', undefined]);
});
