/** What a page tells its reader to type: command lines, SQL, queries for Prometheus. Pure, but for the shell. */
import { execFileSync } from 'node:child_process';

export interface CodeOfPage {
  /** Blocks between fences, by their language ('' where none stands there). */
  readonly blocks: readonly { readonly language: string; readonly text: string }[];
  /** Between single backticks, of one line. */
  readonly inline: readonly string[];
}

const BLOCK = /^( *)```(\w*)\n(.*?)^ *```$/gms;

export function codeOf(page: string): CodeOfPage {
  return {
    // A block within a list is indented with it.
    blocks: [...page.matchAll(BLOCK)].map(([, indent = '', language = '', text = '']) => ({
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    })),
    inline: [...page.replaceAll(BLOCK, '').matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text),
  };
}

export interface CommandLine {
  /** As it stands on the page. */
  readonly text: string;
  /** Given to the command, as the shell gives them. */
  readonly args: readonly string[];
  /** A mention within a sentence may leave arguments out. */
  readonly inline: boolean;
}

/** What stands for a value of the reader's own, and a value that is of its kind. */
const STAND_INS: readonly (readonly [RegExp, string])[] = [
  // What may be left out is tried too.
  [/\[(--[^\]]+)\]/g, '$1'],
  [/"?<what happened, ticket>"?/g, "'a reason'"],
  [/<you>/g, 'ann'],
  [/<log start>/g, '1045'],
  [/\bSEQ:HASH\b/g, `17:${'0'.repeat(64)}`],
  [/(?<=--(?:before|after) )(?:SEQ|ID)\b/g, '17'],
  [/(?<=quarantine show )ID\b/g, '17'],
  [/(?<=keys (?:rotate|revoke) )ID\b/g, '0123456789abcdef'],
  [/(?<=--limit )N\b/g, '20'],
  [/(?<=--kind )K\b|(?<=remove )KIND\b/g, 'plan'],
  [/(?<=--status )S\b/g, 'waiting'],
  [/(?<=--reason )R\b/g, 'unknown_metric'],
  [/…/g, 'x'],
];

/**
 * Lines that call one program, as a shell reads them.
 * @param folder where the shell runs: what a line reads (`$(cat noted-head)`) or writes lies there
 */
export function commandLines({ blocks, inline }: CodeOfPage, folder: string): readonly CommandLine[] {
  const lines = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.replaceAll(/ *\\\n */g, ' ').split('\n'));
  return [
    ...lines.map((text) => ({ text, inline: false })),
    ...inline.map((text) => ({ text, inline: true })),
  ]
    .filter(({ text }) => /^(npx )?meterhouse /.test(text))
    .map((line) => ({ ...line, args: wordsOf(line.text, folder) }));
}

function wordsOf(text: string, folder: string): string[] {
  let filled = text;
  for (const [pattern, value] of STAND_INS) filled = filled.replaceAll(pattern, value);
  // Only the words are wanted: what they are piped into gets nothing.
  const script = `meterhouse() { printf '%s\\0' "$@" >&3; }; npx() { shift; meterhouse "$@"; }\n${filled}`;
  const words = execFileSync('bash', ['-c', `{ ${script}\n} 3>&1 >/dev/null 2>&1 || true`], {
    cwd: folder,
    encoding: 'utf8',
  });
  return words.split('\0').slice(0, -1);
}

/** Statements of a block, without their comments. */
export function statementsOf(sql: string): string[] {
  return sql
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/^\\copy (\(.*?\)) TO .*$/gm, 'SELECT * FROM $1 AS copied;')
    .split(';')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}
