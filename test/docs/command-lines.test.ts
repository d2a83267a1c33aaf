/**
 * Guarantees: what the documentation tells its readers to type is understood by what they type it into:
 * - each `meterhouse` command names a command and options that there are, with values that they take
 * - each `npm run` names a script that there is
 * - each SQL statement is taken by the server that it is for, on this release's schema
 * - each query for Prometheus reads, and asks for metrics that are exported
 * - the registry of docs/ops applies as it stands, and its changes of limits can be made on that of `npm start`
 * Commands of curl are run: see curl-snippets.test.ts.
 */
import { glob, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { addCommands } from '../../packages/cli/src/program.ts';
import { createProgram } from '../../packages/cli/src/run.ts';
import { commandBed } from '../../packages/cli/src/testing.ts';
import { askedFor } from '../dashboards/promql.ts';
import { codeOf, commandLines, statementsOf, type CodeOfPage, type CommandLine } from './command-lines.ts';
import { EXPORTED } from './metrics-tables.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Pages whose SQL is ClickHouse's; everywhere else it is Postgres'. */
const CLICKHOUSE_PAGES = ['docs/finance/README.md', 'docs/runbooks/mirror-drift.md', 'docs/scaling.md'];

const bed = await commandBed();
const folder = await mkdtemp(join(tmpdir(), 'meterhouse-pages-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
await writeFile(join(folder, 'noted-head'), `17:${'0'.repeat(64)}`);

const pages: { readonly path: string; readonly code: CodeOfPage }[] = [];
for await (const path of glob(['README.md', 'docs/**/*.md'], { cwd: ROOT }))
  if (!path.startsWith('docs/adr/'))
    pages.push({ path, code: codeOf(await readFile(join(ROOT, path), 'utf8')) });
pages.sort((a, b) => a.path.localeCompare(b.path));

const commands = pages
  .map(({ path, code }) => ({ path, lines: commandLines(code, folder) }))
  .filter(({ lines }) => lines.length > 0);

test('pages of every audience have commands', () => {
  expect(commands.length).toBeGreaterThan(15);
  expect(commands.flatMap(({ lines }) => lines).length).toBeGreaterThan(100);
});

test.each(commands)('the commands of $path are understood', async ({ lines }) => {
  for (const line of lines) expect([line.text, await misunderstood(line)]).toEqual([line.text, null]);
});

/** @returns why the command would have refused it; null: it would have set to work */
async function misunderstood({ args, inline }: CommandLine): Promise<string | null> {
  let said = '';
  const sink = { write: (text: string) => (said += text) };
  const signal = new AbortController().signal;
  const program = createProgram({ stdout: sink, stderr: sink, env: {}, now: Date.now, signal });
  let understood = false;
  addCommands(program, () => {
    understood = true;
    return Promise.resolve();
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('commander.')) throw error;
    const leftOut = ['commander.missingArgument', 'commander.missingMandatoryOptionValue', 'commander.help'];
    if (!(inline && leftOut.includes(code))) return said;
    understood = true;
  }
  return understood ? null : 'nothing was called';
}

/** Commands that npm has by itself. */
const OF_NPM = new Set(['install', 'pack', 'pkg']);

test('each npm script that a page names is there', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = pages.flatMap(({ code }) =>
    [...code.blocks.map(({ text }) => text), ...code.inline].flatMap((text) =>
      [...text.matchAll(/\bnpm (?:run )?([\w:]+)/g)].map(([, name = '']) => name),
    ),
  );
  expect(named.length).toBeGreaterThan(10);
  const unknown = named.filter((name) => !OF_NPM.has(name) && !(name in scripts));
  expect(unknown).toEqual([]);
});

const sql = pages
  .map(({ path, code }) => ({
    path,
    statements: [
      ...code.blocks.filter(({ language }) => language === 'sql').flatMap(({ text }) => statementsOf(text)),
      ...code.inline.filter((text) => /^(SELECT|UPDATE|DELETE|DROP|GRANT) \S+ \S+|^SELECT \w+\(/i.test(text)),
    ],
  }))
  .filter(({ statements }) => statements.length > 0);

test.each(sql)('the SQL of $path is taken', async ({ path, statements }) => {
  for (const statement of statements)
    if (CLICKHOUSE_PAGES.includes(path) || statement.startsWith('DROP DATABASE'))
      await readByClickHouse(statement);
    else await takenByPostgres(statement);
});

/** Runs it, and takes it back. */
async function takenByPostgres(statement: string): Promise<void> {
  const client = await bed.pool.connect();
  try {
    await client.query('BEGIN');
    // What a page supposes to be there.
    for (const role of ['api_login', 'search']) await client.query(`CREATE ROLE ${role}`);
    for (const table of ['kept', 'found'])
      await client.query(`CREATE TEMPORARY TABLE ${table} (LIKE meterhouse.audit_log)`);
    const filled = statement
      .replace('(PID)', '(0)')
      .replace('<higher>', '1000000')
      .replace('= …', '= 200000')
      .replace('TO …', 'TO search');
    await client.query(filled);
  } catch (error) {
    throw new Error(statement, { cause: error });
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

const mirror = bed.env['CLICKHOUSE_DATABASE'] ?? '';

/** Runs a SELECT on this release's views; of anything else, and of what the server logs, only its grammar. */
async function readByClickHouse(statement: string): Promise<void> {
  const runs = statement.startsWith('SELECT') && !statement.includes('system.');
  const query = runs ? statement.replaceAll('meterhouse.', `${mirror}.`) : `EXPLAIN AST ${statement}`;
  const answer = await fetch(bed.env['CLICKHOUSE_URL'] ?? '', { method: 'POST', body: query });
  expect([statement, answer.status, answer.ok ? '' : await answer.text()]).toEqual([statement, 200, '']);
}

test('each query for Prometheus asks for what is exported', () => {
  const exported = new Set(EXPORTED.flatMap(({ metrics }) => metrics.map(({ name }) => name)));
  // Those of the alerts are promtool's to test.
  const byHand = pages.filter(({ path }) => path !== 'docs/ops/alerts.md');
  const queries = byHand.flatMap(({ code }) => [
    ...code.blocks.filter(({ language }) => language === 'promql').map(({ text }) => text.trim()),
    ...code.inline.filter((text) =>
      /^(sum|max|min|rate|increase|predict_linear)( by \([\w, ]+\) )?\(/.test(text),
    ),
  ]);
  expect(queries.length).toBeGreaterThan(8);
  // A page may leave out what was said before.
  for (const query of queries.map((text) => text.replace('(…)', '(up)')))
    for (const name of askedFor(query).metrics) {
      const metric = name.replace(/_(bucket|sum|count)$/, '');
      const known = name === 'up' || /^(process|nodejs)_/.test(name) || exported.has(metric);
      expect([query, name, known]).toEqual([query, name, true]);
    }
});

test('the registry of docs/ops applies as it stands', async () => {
  const code = pages.find(({ path }) => path === 'docs/ops/README.md')?.code;
  const block = code?.blocks.find(({ language, text }) => language === 'yaml' && text.startsWith('tenants:'));
  const file = await bed.file('registry.yaml', block?.text ?? '');
  expect(await bed.run('apply', '-f', file)).toMatchObject({ exitCode: 0, stderr: '' });
});

test('the limits of docs/ops can be changed as it says on what npm start registers', async () => {
  const demo = join(ROOT, 'packages/dev-stack/src/start/demo-registry.yaml');
  expect(await bed.run('apply', '-f', demo)).toMatchObject({ exitCode: 0, stderr: '' });
  const lines = commands
    .filter(({ path }) => path === 'docs/ops/README.md')
    .flatMap(({ lines }) => lines)
    .filter(({ inline, args: [command = ''] }) => !inline && ['limits', 'registry'].includes(command));
  expect(lines.length).toBeGreaterThan(4);
  for (const { text, args } of lines) {
    const { exitCode, stderr } = await bed.run(...args);
    expect([text, exitCode, stderr]).toEqual([text, 0, '']);
  }
});
