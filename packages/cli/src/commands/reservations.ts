import type { Command } from 'commander';
import { inTransaction } from '@meterhouse/postgres';
import { appendAudit } from '@meterhouse/postgres/access';
import {
  readReservationHistory,
  RESERVATION_STATES,
  sweepReservations,
  type ReservationState,
} from '@meterhouse/postgres/capacity';
import { bigNumber, filled, oneOf, repeated, wholeNumber } from '../arguments.ts';
import {
  eventJson,
  renderHistory,
  renderReservations,
  reservationJson,
} from '../capacity/reservation-text.ts';
import { thisUser } from '../author.ts';
import type { Run } from '../context.ts';
import { CommandError } from '../exit.ts';
import { parseLength } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import { addConfirm, addRelease, addRenew, addReserve } from './reservation-changes.ts';

export function addReservations(program: Command, run: Run): void {
  const reservations = program
    .command('reservations')
    .description('Capacity that is set aside ahead of use: look, and do by hand what services do.');
  addList(reservations, run);
  addHistory(reservations, run);
  addReserve(reservations, run);
  addConfirm(reservations, run);
  addRenew(reservations, run);
  addRelease(reservations, run);
  addSweep(reservations, run);
}

interface ListOptions {
  readonly pool?: string;
  readonly tenant?: string;
  readonly state?: readonly ReservationState[];
  readonly limit: number;
  readonly after: bigint;
}

function addList(reservations: Command, run: Run): void {
  reservations
    .command('list')
    .description('Who holds what, in the order in which it was reserved.')
    .option('--pool <id>', 'of this pool', filled)
    .option('--tenant <id>', 'of this tenant', filled)
    .option(
      '--state <state>',
      `${RESERVATION_STATES.join(', ')}; may be repeated (default: held and confirmed)`,
      repeated(oneOf(RESERVATION_STATES)),
    )
    .option('--limit <n>', 'reservations listed', wholeNumber(1, 10_000), 50)
    .option('--after <id>', 'go on after this id', bigNumber, 0n)
    .action((options: ListOptions) =>
      run(async ({ out, system }) => {
        const states = options.state ?? (['held', 'confirmed'] as const);
        const listed = await system.reservations({
          ...{ states, afterId: options.after, limit: options.limit },
          pool: options.pool ?? null,
          tenantId: options.tenant ?? null,
        });
        out.result({ reservations: listed.map(reservationJson) }, (palette) => {
          const last = listed.at(-1)?.id;
          if (last === undefined) return `nothing is ${states.join(' or ')}\n`;
          const more = listed.length === options.limit ? palette.dim(`more: --after ${last}\n`) : '';
          return `${renderReservations(listed, palette)}${more}`;
        });
        return 0;
      }),
    );
}

function addHistory(reservations: Command, run: Run): void {
  reservations
    .command('history')
    .description('What happened to one, who did it and why.')
    .argument('<id>', 'as listed', bigNumber)
    .action((id: bigint) =>
      run(async ({ out, stores }) => {
        const events = await readReservationHistory(await stores.postgres('meterhouse_reader'), id);
        if (events.length === 0)
          throw new CommandError(`there never was a reservation ${id}`, 'see "meterhouse reservations list"');
        out.result({ id: id.toString(), events: events.map(eventJson) }, (palette) =>
          renderHistory(events, palette),
        );
        return 0;
      }),
    );
}

interface SweepOptions {
  readonly keep: string;
  readonly maxRows: number;
}

function addSweep(reservations: Command, run: Run): void {
  reservations
    .command('sweep')
    .description(
      'Writes down what has expired and forgets what ended long ago. Nothing waits for it; run it daily.',
    )
    .option('--keep <length>', 'how long an ended reservation and its key are known; a day at least', '30d')
    .option('--max-rows <n>', 'at most so many at once', wholeNumber(1, 10_000_000), 100_000)
    .action((options: SweepOptions) =>
      run(async ({ out, stores }) => {
        const keepMs = parseLength('--keep', options.keep);
        const pool = await stores.postgres('meterhouse_operator');
        const swept = await sweepReservations(pool, { keepMs, maxRows: options.maxRows });
        await inTransaction(pool, (client) =>
          appendAudit(client, {
            actor: thisUser(),
            action: 'capacity.sweep',
            tenantId: null,
            outcome: 'done',
            details: { keepMs, settled: swept.settled, forgotten: swept.forgotten },
          }),
        );
        out.result(
          { ...swept },
          (palette) =>
            `${counted(swept.settled, 'expired reservation')} written down, ${counted(swept.forgotten, 'ended one')} forgotten\n` +
            (swept.more ? palette.warn('there may be more: run it again\n') : ''),
        );
        return 0;
      }),
    );
}
