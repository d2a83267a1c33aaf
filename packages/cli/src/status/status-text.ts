/** What `status` prints: the verdict, what to do, and the rest; within the width of the terminal. */
import wrapAnsi from 'wrap-ansi';
import { formatInstant } from '../output/instants.ts';
import type { Palette } from '../output/palette.ts';
import type { Status, Verdict } from './judge.ts';
import type { Line, State } from './line.ts';

const MIN_WIDTH = 40;

const TONES: Readonly<Record<State, keyof Palette>> = {
  ok: 'good',
  note: 'dim',
  behind: 'warn',
  person: 'bad',
};
const VERDICT_TONES: Readonly<Record<Verdict, keyof Palette>> = {
  healthy: 'good',
  behind: 'warn',
  'needs a person': 'bad',
};
/** On the screen. Under --json it is the state itself. */
const WORDS: Readonly<Record<State, string>> = {
  ok: 'ok',
  note: 'note',
  behind: 'behind',
  person: 'act',
};
const STATE_WIDTH = 8;
const PART_WIDTH = 16;

/** @param columns of the terminal */
export function renderStatus(status: Status, columns: number, palette: Palette): string {
  const width = Math.max(MIN_WIDTH, columns);
  const todo = status.lines.filter(isToDo);
  const rest = status.lines.filter((line) => !isToDo(line));
  const render = (line: Line): string => renderLine(line, width, palette);
  return [
    `${headline(status, todo.length, width, palette)}\n\n`,
    ...todo.filter(({ state }) => state === 'person').map(render),
    ...todo.filter(({ state }) => state === 'behind').map(render),
    todo.length > 0 ? '\n' : '',
    ...rest.map(render),
  ].join('');
}

function headline({ verdict, at }: Status, todo: number, width: number, palette: Palette): string {
  const things = todo === 0 ? '' : `: ${todo} to look at`;
  const when = formatInstant(at);
  const gap = verdict.length + things.length + 2 + when.length > width ? '\n' : '  ';
  return `${palette[VERDICT_TONES[verdict]](palette.bold(verdict))}${things}${gap}${palette.dim(when)}`;
}

function renderLine({ state, part, says, next }: Line, width: number, palette: Palette): string {
  const head = `${palette[TONES[state]](WORDS[state].padEnd(STATE_WIDTH))}${part.padEnd(PART_WIDTH)}`;
  const isNarrow = width < 2 * (STATE_WIDTH + PART_WIDTH);
  const indent = isNarrow ? STATE_WIDTH : STATE_WIDTH + PART_WIDTH;
  const body = wrapped(says, width - indent);
  const lines = isNarrow
    ? [head.trimEnd(), ...body.map((line) => ' '.repeat(indent) + line)]
    : body.map((line, index) => (index === 0 ? head : ' '.repeat(indent)) + line);
  const then = next === null ? [] : wrapped(`→ ${next}`, width - indent);
  return [...lines, ...then.map((line) => ' '.repeat(indent) + palette.bold(line))]
    .map((line) => `${line}\n`)
    .join('');
}

/** Reasons come from servers: whatever they hold, here is one line of it. */
function wrapped(text: string, width: number): string[] {
  const plain = text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
  return wrapAnsi(plain, width, { hard: true }).split('\n');
}

function isToDo({ state }: Line): boolean {
  return state === 'person' || state === 'behind';
}
