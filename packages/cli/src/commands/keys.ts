import { InvalidArgumentError, type Command } from 'commander';
import { API_KEY_LIMITS, API_ROLES, scopeProblem, type ApiRole } from '@meterhouse/postgres/access';
import { keyJson, renderKeys, renderSecret } from '../access/key-text.ts';
import { filled, oneOf, textOf, wholeNumber } from '../arguments.ts';
import { MAX_BY } from '../author.ts';
import type { Run } from '../context.ts';
import { UsageError } from '../exit.ts';
import { formatInstant, parseInstantOption, parseLength } from '../output/instants.ts';

export function addKeys(program: Command, run: Run): void {
  const keys = program.command('keys').description('API keys: make, look, give a new secret, end.');
  addCreate(keys, run);
  addList(keys, run);
  addRotate(keys, run);
  addRevoke(keys, run);
}

interface CreateOptions {
  readonly role: ApiRole;
  readonly tenant?: string;
  readonly name?: string;
  readonly expires?: string;
  readonly by?: string;
}

function addCreate(keys: Command, run: Run): void {
  withAuthor(
    keys
      .command('create')
      .description('Makes a key and prints it, this once.')
      .requiredOption('--role <role>', API_ROLES.join(', '), oneOf(API_ROLES))
      .option('--tenant <id>', 'whose, with all below it; operator and platform_admin have none', filled)
      .option('--name <text>', 'what it is for (default: the role)', textOf(API_KEY_LIMITS.nameLength))
      .option('--expires <instant>', 'or a length such as 90d (default: never)'),
  ).action((options: CreateOptions) =>
    run(async ({ out, system, now }) => {
      const { role, tenant = null, by = null } = options;
      refuseMisfit(role, tenant);
      const expiresAt = options.expires === undefined ? null : instantOrLength(options.expires, now());
      const name = options.name ?? role;
      const { key, text } = await system.keys.create({ role, tenantId: tenant, name, expiresAt, by });
      out.result({ ...keyJson(key, now()), key: text }, (palette) => renderSecret(text, palette));
      return 0;
    }),
  );
}

function refuseMisfit(role: ApiRole, tenant: string | null): void {
  const problem = scopeProblem(role, tenant);
  if (problem === 'needs_tenant') throw new UsageError(`--tenant: a key with the role ${role} needs one`);
  if (problem === 'platform_only')
    throw new UsageError(`--tenant: a key with the role ${role} is for the whole platform`);
}

function instantOrLength(text: string, now: number): number {
  const at = /^[0-9]+[smhdw]$/.test(text)
    ? now + parseLength('--expires', text)
    : parseInstantOption('--expires', text);
  if (at <= now) throw new UsageError('--expires: lies in the past');
  return at;
}

interface ListOptions {
  readonly tenant?: string;
  readonly all?: boolean;
  readonly limit: number;
  readonly after?: string;
}

function addList(keys: Command, run: Run): void {
  keys
    .command('list')
    .description('Every key, in the order of ids; no secrets.')
    .option('--tenant <id>', 'of this tenant', filled)
    .option('--all', 'also revoked ones')
    .option('--limit <n>', 'keys listed', wholeNumber(1, API_KEY_LIMITS.pageRows), 100)
    .option('--after <id>', 'go on after this one', keyId)
    .action((options: ListOptions) =>
      run(async ({ out, system, now }) => {
        const listed = await system.keys.list({
          tenantId: options.tenant ?? null,
          revoked: options.all === true,
          after: options.after ?? null,
          limit: options.limit,
        });
        out.result({ keys: listed.map((key) => keyJson(key, now())) }, (palette) => {
          const last = listed.at(-1);
          if (last === undefined) return 'there is no such key\n';
          const more = listed.length === options.limit ? palette.dim(`more: --after ${last.keyId}\n`) : '';
          return `${renderKeys(listed, now(), palette)}${more}`;
        });
        return 0;
      }),
    );
}

interface RotateOptions {
  readonly overlap: string;
  readonly by?: string;
}

function addRotate(keys: Command, run: Run): void {
  withAuthor(
    keys
      .command('rotate')
      .description(
        'Gives a key a new secret, and prints it, this once. The secret before the present one ends now.',
      )
      .argument('<id>', 'as listed', keyId)
      .requiredOption(
        '--overlap <length>',
        'how long the present secret stays good, such as 24h; 0: it ends now',
      ),
  ).action((id: string, options: RotateOptions) =>
    run(async ({ out, system, now }) => {
      const overlapMs = options.overlap === '0' ? 0 : parseLength('--overlap', options.overlap);
      const { key, text } = await system.keys.rotate(id, overlapMs, options.by ?? null);
      out.result({ ...keyJson(key, now()), key: text }, (palette) => {
        const until =
          overlapMs === 0 ? 'has ended' : `is good until ${formatInstant(key.previousValidUntil ?? 0)}`;
        return `${renderSecret(text, palette)}the secret so far ${until}\n`;
      });
      return 0;
    }),
  );
}

function addRevoke(keys: Command, run: Run): void {
  withAuthor(
    keys.command('revoke').description('Ends a key for good.').argument('<id>', 'as listed', keyId),
  ).action((id: string, options: { readonly by?: string }) =>
    run(async ({ out, system, now }) => {
      const key = await system.keys.revoke(id, options.by ?? null);
      out.result(keyJson(key, now()), () => `key ${id} is revoked\n`);
      return 0;
    }),
  );
}

function withAuthor(command: Command): Command {
  return command.option('--by <name>', 'who does it (default: the user of this process)', textOf(MAX_BY));
}

function keyId(text: string): string {
  if (/^[0-9a-f]{16}$/.test(text)) return text;
  throw new InvalidArgumentError('must be the id of a key: 16 hex digits, without mh_ and the secret');
}
