/**
 * Guarantee: the programs in docs/producers/http.md and examples/http-clients do what the page says. Each
 * is run as it stands there, against the real API and broker, and its events are on the topic.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEventsApi, type EventsApi } from '../../services/api/src/events/testing.ts';

interface Program {
  readonly name: string;
  readonly code: string;
  readonly file: string;
  /** Events that it sends, and that are acknowledged. */
  readonly events: number;
  readonly says: 'the answer' | 'what was refused' | 'a refusal';
}

const page = await readFile(new URL('../../docs/producers/http.md', import.meta.url), 'utf8');
const clients = new URL('../../examples/http-clients/', import.meta.url);
/** Of the programs of the page, in its order. */
const EVENTS = [1, 2, 1, 1, 1];

const snippets = [...page.matchAll(/^```(sh|ts)\n(.*?)^```$/gms)].map(
  ([, language, code = ''], index): Program => ({
    name: `snippet ${index + 1} of the page`,
    code,
    file: language === 'ts' ? 'snippet.mjs' : 'snippet.sh',
    events: EVENTS[index] ?? 0,
    says: language === 'ts' ? 'a refusal' : 'the answer',
  }),
);
const examples = await Promise.all(
  ['send-usage.sh', 'send_usage.py', 'send_usage.go', 'send-usage.mjs'].map(
    async (file): Promise<Program> => ({
      name: file,
      code: await readFile(new URL(file, clients), 'utf8'),
      file,
      events: 2,
      says: 'what was refused',
    }),
  ),
);
const programs = [...snippets, ...examples];

/** How a program is run, by the ending of its file; it gets its path. */
const TOOLS: Readonly<Record<string, { needs: string[]; run: (path: string) => string[] }>> = {
  sh: { needs: ['curl', 'gzip'], run: (path) => ['sh', '-e', path] },
  py: { needs: ['python3'], run: (path) => ['python3', path] },
  go: { needs: ['go'], run: (path) => ['go', 'run', path] },
  mjs: { needs: [], run: (path) => [process.execPath, path] },
};

function toolOf({ file }: Program): { needs: string[]; run: (path: string) => string[] } {
  const tool = TOOLS[file.split('.').at(-1) ?? ''];
  if (tool === undefined) throw new Error(`nobody knows how to run ${file}`);
  return tool;
}

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

function missingTool(program: Program): string | undefined {
  return toolOf(program).needs.find((tool) => spawnSync('which', [tool]).status !== 0);
}

it('the page has the programs that are run here, and names the examples', async () => {
  expect(snippets.map((program) => program.events)).toEqual(EVENTS);
  expect((await readdir(clients)).sort()).toEqual(examples.map(({ file }) => file).sort());
  for (const { file } of examples) expect(page).toContain(`examples/http-clients/${file}`);
});

for (const [index, program] of programs.entries()) {
  const missing = missingTool(program);
  const title = `${program.name} sends what it says`;
  it.skipIf(missing !== undefined)(
    missing === undefined ? title : `${title} (skipped: this machine has no ${missing})`,
    async () => {
      const before = (await events.onTopic()).length;
      // One that imports our packages has to lie where they are found.
      const path = join(program.says === 'a refusal' ? within : folder, `${index}-${program.file}`);
      await writeFile(path, program.code);
      const { exitCode, output } = await run(toolOf(program).run(path));
      expect([exitCode, output]).toEqual([0, output]);
      if (program.says === 'the answer')
        expect(JSON.parse(output)).toMatchObject({ acknowledged: program.events });
      // The key of the page may send and no more: what it says of the list is the API's refusal.
      else if (program.says === 'a refusal') expect(output).toMatch(/^1\nforbidden null The role ingest/);
      else expect(output).toContain('refused: []');
      expect((await events.onTopic()).length - before).toBe(program.events);
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
