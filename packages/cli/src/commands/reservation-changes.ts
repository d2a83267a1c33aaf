/** `meterhouse reservations reserve | confirm | renew | release`: one call of what services call. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { inTransaction, type Db } from '@meterhouse/postgres';
import { appendAudit, person } from '@meterhouse/postgres/access';
import {
  CapacityRequestError,
  confirm,
  release,
  renew,
  reserve,
  type CapacityAnswer,
} from '@meterhouse/postgres/capacity';
import { bigNumber, filled } from '../arguments.ts';
import { answerJson, exitCodeOf, renderAnswer } from '../capacity/answer-text.ts';
import type { Run } from '../context.ts';
import { UsageError } from '../exit.ts';
import { parseLength } from '../output/instants.ts';

interface Authorship {
  readonly by: string;
  readonly because: string;
}

interface Holding extends Authorship {
  readonly tenant: string;
  readonly token: bigint;
}

/** What is asked for, as the audit log names it. */
interface Asked {
  readonly action: 'reserve' | 'confirm' | 'renew' | 'release';
  readonly wanted: CapacityAnswer['kind'];
  readonly by: string;
  readonly tenantId: string;
  readonly target: string;
}

/** Asks, prints the answer, and ends with 0 only if it is the one that was wanted. */
function answering(run: Run, asked: Asked, ask: (db: Db) => Promise<CapacityAnswer>) {
  const { action, wanted, by, tenantId, target } = asked;
  return run(async ({ out, stores }) => {
    const pool = await stores.postgres('meterhouse_operator');
    const answer = await inTransaction(pool, async (client) => {
      const answered = await asWrongUsage(() => ask(client));
      await appendAudit(client, {
        actor: person(by),
        action: `capacity.${action}`,
        tenantId,
        target,
        outcome: answered.kind === wanted ? 'done' : 'denied',
        details: { answer: answered.kind },
      });
      return answered;
    });
    out.result(answerJson(answer), (palette) => renderAnswer(answer, palette));
    return exitCodeOf(answer, wanted);
  });
}

async function asWrongUsage<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof CapacityRequestError) throw new UsageError(error.message);
    throw error;
  }
}

interface ReserveOptions extends Authorship {
  readonly pool: string;
  readonly tenant: string;
  readonly units: bigint;
  readonly key: string;
  readonly ttl: string;
}

export function addReserve(reservations: Command, run: Run): void {
  withAuthorship(
    reservations
      .command('reserve')
      .description('Sets units of a pool aside for a time. The same key again is the same reservation.')
      .requiredOption('--pool <id>', 'of which', filled)
      .requiredOption('--tenant <id>', 'for whom', filled)
      .requiredOption('--units <n>', 'how many', bigNumber)
      .requiredOption('--key <text>', 'unique for the tenant: what it is for', filled)
      .requiredOption('--ttl <length>', 'free again after 90s, 30m, 24h, unless confirmed or renewed'),
  ).action((options: ReserveOptions) => {
    const { pool, tenant: tenantId, units, key, by, because: reason } = options;
    const asked = { action: 'reserve', wanted: 'reserved', by, tenantId, target: `pool ${pool}` } as const;
    return answering(run, asked, (db) =>
      reserve(db, { pool, tenantId, units, key, ttlMs: parseLength('--ttl', options.ttl), by, reason }),
    );
  });
}

export function addConfirm(reservations: Command, run: Run): void {
  withHolding(reservations.command('confirm').description('Says that what was reserved is in use.'))
    .option('--ttl <length>', 'a lease: ends unless it is renewed before (default: until it is released)')
    .action((id: bigint, options: Holding & { readonly ttl?: string }) =>
      answering(run, holdingAsked('confirm', 'confirmed', id, options), (db) =>
        confirm(db, {
          ...holderOf(id, options),
          ttlMs: options.ttl === undefined ? null : parseLength('--ttl', options.ttl),
        }),
      ),
    );
}

export function addRenew(reservations: Command, run: Run): void {
  withHolding(
    reservations
      .command('renew')
      .description(
        'Gives a reservation time from now, and a new token: the old one is worth nothing any more.',
      ),
  )
    .requiredOption('--ttl <length>', 'from now')
    .option(
      '--key <text>',
      'names this renewal, so that it can be asked for again (default: a new one)',
      filled,
    )
    .action((id: bigint, options: Holding & { readonly ttl: string; readonly key?: string }) =>
      answering(run, holdingAsked('renew', 'renewed', id, options), (db) =>
        renew(db, {
          ...holderOf(id, options),
          key: options.key ?? randomUUID(),
          ttlMs: parseLength('--ttl', options.ttl),
        }),
      ),
    );
}

export function addRelease(reservations: Command, run: Run): void {
  withHolding(reservations.command('release').description('Gives the units back.')).action(
    (id: bigint, options: Holding) =>
      answering(run, holdingAsked('release', 'released', id, options), (db) =>
        release(db, holderOf(id, options)),
      ),
  );
}

function holdingAsked(
  action: Asked['action'],
  wanted: Asked['wanted'],
  id: bigint,
  { by, tenant }: Holding,
): Asked {
  return { action, wanted, by, tenantId: tenant, target: `reservation ${id}` };
}

function holderOf(reservationId: bigint, { tenant, token, by, because }: Holding) {
  return { reservationId, tenantId: tenant, fencingToken: token, by, reason: because };
}

function withHolding(command: Command): Command {
  return withAuthorship(
    command
      .argument('<id>', 'the reservation', bigNumber)
      .requiredOption('--tenant <id>', 'whose it is', filled)
      .requiredOption('--token <n>', 'the token of the last grant', bigNumber),
  );
}

function withAuthorship(command: Command): Command {
  return command
    .requiredOption('--by <name>', 'who does it: kept', filled)
    .option('--because <text>', 'why: kept', '');
}
