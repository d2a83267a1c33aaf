/**
 * Guarantees:
 * - no line is longer than the terminal is wide, from 40 columns on
 * - what to do stands above what is well
 * - what servers say is one line of plain text: no control character of theirs reaches the terminal
 * - without colours the output has no escape sequence at all
 */
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { createPalette } from '../output/palette.ts';
import type { Status } from './judge.ts';
import { renderStatus } from './status-text.ts';

const STATUS: Status = {
  verdict: 'needs a person',
  at: Date.UTC(2026, 10, 22, 17),
  lag: null,
  lines: [
    { part: 'Kafka', state: 'ok', says: '3 brokers, 12 ms', next: null },
    {
      part: 'quota-snapshot',
      state: 'behind',
      says: `not ready: ${'a long reason '.repeat(12)}`,
      next: 'look',
    },
    { part: 'Postgres', state: 'person', says: 'x'.repeat(300), next: 'docs/runbooks/lag-growing.md' },
    { part: 'registry', state: 'person', says: 'first\nsecond\u001b[2J\u202Ethird\u0007', next: 'start it' },
  ],
};
const PLAIN = createPalette(false, {});
const COLOURED = createPalette(true, { TERM: 'xterm' });

test.each([40, 47, 48, 80, 120, 200])('%i columns', (columns) => {
  for (const palette of [PLAIN, COLOURED]) {
    const lines = stripVTControlCharacters(renderStatus(STATUS, columns, palette)).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
  }
});

test('what a person has to do comes first, then what is behind, then the rest', () => {
  const text = renderStatus(STATUS, 80, PLAIN);
  expect(text.startsWith('needs a person: 3 to look at  2026-11-22 17:00:00Z\n')).toBe(true);
  const at = ['act     Postgres', 'act     registry', 'behind  quota-snapshot', 'ok      Kafka'].map((line) =>
    text.indexOf(line),
  );
  expect(at).toEqual([...at].sort((a, b) => a - b));
  expect(at[0]).toBeGreaterThan(0);
  expect(text).toContain('→ docs/runbooks/lag-growing.md');
});

test('control characters of servers do not reach the terminal', () => {
  expect(renderStatus(STATUS, 80, PLAIN)).not.toMatch(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/,
  );
  expect(renderStatus(STATUS, 80, COLOURED)).not.toContain('\u001b[2J');
});
