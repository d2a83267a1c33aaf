/**
 * What a person decides about set-aside events of a file that a process holds. Nobody else can write to such
 * a file, so the decision lies beside it until its holder looks, carries it out and answers:
 *  1. The order is put there whole and under a name that must be free: one at a time for a file.
 *  2. Its holder renames it, so that it can no longer be withdrawn, carries it out in one transaction, and
 *     puts the answer beside it. One that ends in between leaves it to the next holder, for whom what was
 *     done already is not there any more: done twice is done once.
 */
import { randomUUID } from 'node:crypto';
import {
  chownSync,
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { DeadlineError, isAborted, waitFor } from '@meterhouse/runtime';
import * as z from 'zod';
import { SpoolFile, type SetAsideMark } from './spool-file.ts';

const orderShape = z.strictObject({
  token: z.string(),
  action: z.enum(['retry', 'discard']),
  marks: z.array(z.strictObject({ seq: z.int(), digest: z.string() })),
});
const answerShape = z.object({ token: z.string(), done: z.int() });

export type SpoolAction = z.output<typeof orderShape>['action'];
type Order = z.output<typeof orderShape>;

/** So that an order is one transaction of some milliseconds, not seconds. */
const MAX_MARKS = 5_000;
const LOOK_EVERY_MS = 250;

const orderOf = (path: string): string => `${path}.order`;
const takenOf = (path: string): string => `${path}.order-taken`;
const answerOf = (path: string): string => `${path}.order-answer`;

/**
 * For the holder of a file: carries out what waits beside it.
 * @returns null where nothing does
 * @throws Error where the disk does not take it; then it waits on
 */
export function serveOrder(
  file: SpoolFile,
  nowMs: number,
): { readonly action: SpoolAction; readonly done: number } | null {
  const taken = takenOf(file.path);
  // One that a holder before this took comes first.
  if (!existsSync(taken) && !moved(orderOf(file.path), taken)) return null;
  const order = orderShape.safeParse(JSON.parse(readFileSync(taken, 'utf8')));
  if (!order.success) {
    rmSync(taken);
    throw new Error(`${taken} is no order that this version knows: it was removed`, { cause: order.error });
  }
  const { action, token } = order.data;
  const done = carriedOut(file, order.data, nowMs);
  const answer = `${answerOf(file.path)}.${token}`;
  writeFileSync(answer, JSON.stringify({ token, done }), { mode: 0o600 });
  renameSync(answer, answerOf(file.path));
  rmSync(taken);
  return { action, done };
}

export interface OrderLimits {
  /** How long a process that holds the file may take to answer. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** Epoch ms. */
  readonly now: () => number;
}

/**
 * For a person's command: carries it out where nobody holds the file, else has its holder do so. Never in a
 * process that holds a spool itself.
 * @returns how many of the events were still there
 * @throws Error where the holder does not answer, or the signal is aborted: it says what became of the order
 */
export async function orderOnSetAside(
  path: string,
  action: SpoolAction,
  marks: readonly SetAsideMark[],
  limits: OrderLimits,
): Promise<number> {
  let done = 0;
  for (let from = 0; from < marks.length; from += MAX_MARKS)
    done += await orderOnce(path, action, marks.slice(from, from + MAX_MARKS), limits);
  return done;
}

async function orderOnce(
  path: string,
  action: SpoolAction,
  marks: readonly SetAsideMark[],
  { deadlineMs, signal, now }: OrderLimits,
): Promise<number> {
  const order: Order = { token: randomUUID(), action, marks: [...marks] };
  const lies = { there: false };
  try {
    return await waitFor(
      `the process that holds ${path} to carry out an order`,
      () => {
        if (isAborted(signal)) throw new Error('interrupted');
        const answered = answerFor(path, order.token);
        if (answered !== undefined) return answered;
        // Whoever held it may end meanwhile.
        const file = SpoolFile.open(path, 'process');
        if (file !== null)
          try {
            return carriedOut(file, order, now());
          } finally {
            file.close();
          }
        if (!lies.there) place(path, order);
        lies.there = true;
        return undefined;
      },
      { deadlineMs, everyMs: LOOK_EVERY_MS },
    );
  } catch (error) {
    const isOver = error instanceof DeadlineError || isAborted(signal);
    if (!isOver || !lies.there) throw error;
    const what = isAborted(signal) ? 'interrupted' : `no answer in ${Math.round(deadlineMs / 1_000)} s`;
    const became = withdrawn(path, order.token)
      ? 'the process that holds it had not looked, and the order was withdrawn'
      : 'the process that holds it has taken the order, and will have carried it out when it answers';
    throw new Error(`${path}: ${what}; ${became}`, { cause: error });
  } finally {
    if (lies.there) {
      withdrawn(path, order.token);
      if (tokenIn(answerOf(path)) === order.token) rmSync(answerOf(path), { force: true });
    }
  }
}

function carriedOut(file: SpoolFile, { action, marks }: Order, nowMs: number): number {
  switch (action) {
    case 'retry':
      return file.putBack(marks, nowMs);
    case 'discard':
      return file.discard(marks);
  }
}

/** @throws Error where another's order waits */
function place(path: string, order: Order): void {
  const written = `${orderOf(path)}.${order.token}`;
  writeFileSync(written, JSON.stringify(order), { mode: 0o600 });
  try {
    // A system's administrator may give it; the holder has to read it.
    if (process.geteuid?.() === 0) {
      const { uid, gid } = statSync(path);
      chownSync(written, uid, gid);
    }
    linkSync(written, orderOf(path));
  } catch (error) {
    if (hasCode(error, 'EEXIST'))
      throw new Error(`${path}: another order waits for its holder`, { cause: error });
    throw error;
  } finally {
    rmSync(written);
  }
}

/** @returns false where its holder has taken it: then that decides */
function withdrawn(path: string, token: string): boolean {
  if (tokenIn(orderOf(path)) !== token) return false;
  const away = `${orderOf(path)}.${token}`;
  if (!moved(orderOf(path), away)) return false;
  rmSync(away);
  return true;
}

function answerFor(path: string, token: string): number | undefined {
  const text = textIn(answerOf(path));
  const answer = text === null ? null : answerShape.parse(JSON.parse(text));
  return answer?.token === token ? answer.done : undefined;
}

function tokenIn(path: string): string | null {
  const text = textIn(path);
  return text === null ? null : z.object({ token: z.string() }).parse(JSON.parse(text)).token;
}

function textIn(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

/** @returns false where there is nothing to move */
function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
