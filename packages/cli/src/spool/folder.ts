/** A spool's folder as a person sees it, and what becomes of what was set aside there. */
import { basename, join } from 'node:path';
import {
  lookInto,
  markOf,
  orderOnSetAside,
  spoolFilesIn,
  type OrderLimits,
  type SetAsideMark,
  type SpoolAction,
} from '@meterhouse/producer/spool';
import { CommandError } from '../exit.ts';
import { foundIn, type FoundAside } from './selection.ts';

export interface SpoolFileReport {
  readonly file: string;
  /** Null where it cannot be read; `problem` says why. */
  readonly contents: {
    /** A process has it open. */
    readonly isHeld: boolean;
    readonly waiting: number;
    /** Of those that wait and those set aside. */
    readonly sizeBytes: number;
    /** Epoch ms. */
    readonly oldestAtMs: number | null;
    readonly setAside: number;
  } | null;
  readonly problem: string | null;
}

const PAGE = 1_000;

/** @param visit is given every event that was set aside, in order, while its file is read */
export async function readFolder(
  folder: string,
  visit: (found: FoundAside) => void,
): Promise<SpoolFileReport[]> {
  const reports: SpoolFileReport[] = [];
  for (const path of filesIn(folder)) {
    const file = basename(path);
    try {
      const { isHeld, found } = await lookInto(path, (spool) => {
        let after = 0;
        for (;;) {
          const rows = spool.setAsideAfter(after, PAGE);
          for (const row of rows) visit(foundIn(file, row));
          if (rows.length < PAGE) break;
          after = rows.at(-1)?.seq ?? after;
        }
        return {
          waiting: spool.events,
          sizeBytes: spool.bytes,
          oldestAtMs: spool.oldestAtMs(),
          setAside: spool.setAsideEvents,
        };
      });
      reports.push({ file, contents: { isHeld, ...found }, problem: null });
    } catch (error) {
      // One file that is none keeps nobody from the others.
      reports.push({ file, contents: null, problem: messageOf(error) });
    }
  }
  return reports;
}

export interface Decided {
  /** Events that were put back in line, or discarded. */
  readonly done: number;
  /** That were chosen, and had gone when it came to them. */
  readonly gone: number;
  readonly problems: readonly string[];
}

export type ChosenMarks = ReadonlyMap<string, readonly SetAsideMark[]>;

/** Reads the folder. @returns what was chosen, by file, and what could not be read */
export async function chooseFrom(
  folder: string,
  isChosen: (found: FoundAside) => boolean,
): Promise<{ readonly chosen: ChosenMarks; readonly reports: readonly SpoolFileReport[] }> {
  const chosen = new Map<string, SetAsideMark[]>();
  const reports = await readFolder(folder, (found) => {
    if (!isChosen(found)) return;
    const marks = chosen.get(found.file) ?? [];
    marks.push(markOf(found));
    chosen.set(found.file, marks);
  });
  return { chosen, reports };
}

/** What cannot be done in one file keeps nobody from the others. */
export async function decideOn(
  folder: string,
  action: SpoolAction,
  chosen: ChosenMarks,
  limits: OrderLimits,
): Promise<Decided> {
  const problems: string[] = [];
  let done = 0;
  let gone = 0;
  for (const [file, marks] of chosen)
    try {
      const found = await orderOnSetAside(join(folder, file), action, marks, limits);
      done += found;
      gone += marks.length - found;
    } catch (error) {
      problems.push(messageOf(error));
    }
  return { done, gone, problems };
}

function filesIn(folder: string): string[] {
  try {
    return spoolFilesIn(folder);
  } catch (error) {
    throw new CommandError(
      `${folder} cannot be read: ${messageOf(error)}`,
      'is it the folder of the [spool] section?',
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
