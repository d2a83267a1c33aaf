import { randomBytes } from 'node:crypto';
import { InvalidArgumentError, type Command } from 'commander';
import { inTransaction, type PoolClient } from '@meterhouse/postgres';
import {
  API_KEY_LIMITS,
  API_ROLES,
  auditKey,
  createApiKey,
  KEY_ID_BYTES,
  listApiKeys,
  makeKey,
  makeSecret,
  person,
  revokeApiKey,
  scopeProblem,
  rotateApiKey,
  SECRET_BYTES,
  type ApiKey,
  type ApiRole,
} from '@meterhouse/postgres/access';
import { keyJson, renderKeys, renderSecret } from '../access/key-text.ts';
import { filled, oneOf, textOf, wholeNumber } from '../arguments.ts';
import { authorOf, MAX_BY } from '../author.ts';
import type { Context, Run } from '../context.ts';
import { CommandError, UsageError } from '../exit.ts';
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
    run(async ({ out, stores, now }) => {
      const { role, tenant = null } = options;
      refuseMisfit(role, tenant);
      const expiresAt = options.expires === undefined ? null : instantOrLength(options.expires, now());
      const made = makeKey({ keyId: randomBytes(KEY_ID_BYTES), secret: randomBytes(SECRET_BYTES) });
      const by = authorOf(options);
      const key = await inTransaction(await stores.postgres('meterhouse_operator'), async (client) => {
        await refuseUnknown(client, tenant);
        const created = await createApiKey(client, {
          ...{ keyId: made.keyId, secretHash: made.secretHash, tenantId: tenant, role },
          ...{ name: options.name ?? role, createdBy: by, expiresAt },
        });
        await auditKey(client, { actor: person(by) }, 'key.create', created, { role, expiresAt });
        return created;
      });
      out.result({ ...keyJson(key, now()), key: made.text }, (palette) => renderSecret(made, palette));
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

async function refuseUnknown(client: PoolClient, tenant: string | null): Promise<void> {
  if (tenant === null) return;
  const found = await client.query('SELECT FROM meterhouse.tenants WHERE id = $1', [tenant]);
  if (found.rowCount === 0)
    throw new CommandError(`there is no tenant ${tenant}`, 'register it with "meterhouse apply"');
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
      run(async ({ out, stores, now }) => {
        const listed = await listApiKeys(await stores.postgres('meterhouse_reader'), {
          tenantId: options.tenant ?? null,
          revoked: options.all === true,
          afterKeyId: options.after ?? '',
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
    run(async (context) => {
      const overlapMs = options.overlap === '0' ? 0 : parseLength('--overlap', options.overlap);
      const made = makeSecret(id, randomBytes(SECRET_BYTES));
      const key = await changed(context, id, 'key.rotate', options, { overlapMs }, (client, by) =>
        rotateApiKey(client, { keyId: id, secretHash: made.secretHash, overlapMs, by }),
      );
      context.out.result({ ...keyJson(key, context.now()), key: made.text }, (palette) => {
        const until =
          overlapMs === 0 ? 'has ended' : `is good until ${formatInstant(key.previousValidUntil ?? 0)}`;
        return `${renderSecret(made, palette)}the secret so far ${until}\n`;
      });
      return 0;
    }),
  );
}

function addRevoke(keys: Command, run: Run): void {
  withAuthor(
    keys.command('revoke').description('Ends a key for good.').argument('<id>', 'as listed', keyId),
  ).action((id: string, options: { readonly by?: string }) =>
    run(async (context) => {
      const key = await changed(context, id, 'key.revoke', options, {}, (client, by) =>
        revokeApiKey(client, id, by),
      );
      context.out.result(keyJson(key, context.now()), () => `key ${id} is revoked\n`);
      return 0;
    }),
  );
}

async function changed(
  { stores }: Context,
  id: string,
  action: 'key.rotate' | 'key.revoke',
  options: { readonly by?: string },
  details: Readonly<Record<string, unknown>>,
  change: (client: PoolClient, by: string) => Promise<ApiKey | null>,
): Promise<ApiKey> {
  const by = authorOf(options);
  return inTransaction(await stores.postgres('meterhouse_operator'), async (client) => {
    const key = await change(client, by);
    if (key === null)
      throw new CommandError(`there is no key ${id} that is not revoked`, 'see "meterhouse keys list --all"');
    await auditKey(client, { actor: person(by) }, action, key, details);
    return key;
  });
}

function withAuthor(command: Command): Command {
  return command.option('--by <name>', 'who does it (default: the user of this process)', textOf(MAX_BY));
}

function keyId(text: string): string {
  if (/^[0-9a-f]{16}$/.test(text)) return text;
  throw new InvalidArgumentError('must be the id of a key: 16 hex digits, without mh_ and the secret');
}
