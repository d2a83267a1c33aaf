/**
 * Guarantee: the programs in docs/producers/http.md do what the page says. Each is run as it stands there,
 * against the real API and broker, and its events are on the topic.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEventsApi, type EventsApi } from '../../services/api/src/events/testing.ts';

interface Snippet {
  readonly language: 'sh' | 'python' | 'go' | 'ts';
  readonly code: string;
  /** Events that it sends, and that are acknowledged. */
  readonly events: number;
}

const page = await readFile(new URL('../../docs/producers/http.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```(sh|python|go|ts)\n(.*?)^```$/gms)];
const EVENTS = { sh: [1, 2, 1, 1], python: [2], go: [2], ts: [1] };
const snippets = (['sh', 'python', 'go', 'ts'] as const).flatMap((language) =>
  blocks
    .filter(([, of]) => of === language)
    .map(([, , code = ''], index): Snippet => ({ language, code, events: EVENTS[language][index] ?? 0 })),
);

/** How a program of each language is run; it gets its file's path. */
const TOOLS = {
  sh: { file: 'snippet.sh', needs: ['curl', 'gzip'], run: (path: string) => ['sh', '-e', path] },
  python: { file: 'snippet.py', needs: ['python3'], run: (path: string) => ['python3', path] },
  go: { file: 'main.go', needs: ['go'], run: (path: string) => ['go', 'run', path] },
  ts: { file: 'snippet.mjs', needs: [], run: (path: string) => [process.execPath, path] },
};

let events: EventsApi;
let folder: string;
let within: string;
beforeAll(async () => {
  events = await startEventsApi();
  folder = await mkdtemp(join(tmpdir(), 'meterhouse-snippets-'));
  const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));
  await mkdir(cache, { recursive: true });
  within = await mkdtemp(join(cache, 'snippets-'));
});
afterAll(async () => {
  await events.close();
  for (const each of [folder, within]) await rm(each, { recursive: true, force: true });
});

function missingTool(language: Snippet['language']): string | undefined {
  return TOOLS[language].needs.find((tool) => spawnSync('which', [tool]).status !== 0);
}

it('the page has the programs that are run here', () => {
  expect(snippets.map(({ language, events: of }) => `${language} ${of}`)).toEqual([
    'sh 1',
    'sh 2',
    'sh 1',
    'sh 1',
    'python 2',
    'go 2',
    'ts 1',
  ]);
});

for (const [index, { language, code, events: expected }] of snippets.entries()) {
  const missing = missingTool(language);
  const name = `program ${index + 1} (${language}) sends what it says`;
  it.skipIf(missing !== undefined)(
    missing === undefined ? name : `${name}: skipped, as this machine has no ${missing}`,
    async () => {
      const before = (await events.onTopic()).length;
      // One that imports our packages has to lie where they are found.
      const path = join(language === 'ts' ? within : folder, `${index}-${TOOLS[language].file}`);
      await writeFile(path, code);
      const { exitCode, output } = await run(TOOLS[language].run(path));
      expect([exitCode, output]).toEqual([0, output]);
      if (language === 'sh') expect(JSON.parse(output)).toMatchObject({ acknowledged: expected });
      // The key of the page may send and no more: what it says of the list is the API's refusal.
      else if (language === 'ts') expect(output).toMatch(/^1\nforbidden null The role ingest/);
      else expect(output).toContain('refused: []');
      expect((await events.onTopic()).length - before).toBe(expected);
    },
  );
}

async function run([command = '', ...args]: string[]): Promise<{ exitCode: number | null; output: string }> {
  const env = { ...process.env, METERHOUSE_API: events.api.url, METERHOUSE_KEY: 'acme' };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { exitCode, output };
}
