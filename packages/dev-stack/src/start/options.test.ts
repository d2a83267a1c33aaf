/**
 * What `npm start -- …` takes:
 * - without anything, the demonstration day in .meterhouse
 * - the options that say how files are read go to `meterhouse import` as they stand
 * - paths are taken as typed where the person stands; the default data dir is the repository's
 * - calls that make no sense end with exit code 2, help with 0
 */
import { expect, it, vi } from 'vitest';
import { NothingToStart, parseOptions as parse } from './options.ts';

const parseOptions = (args: readonly string[]) => parse(args, (path) => `/home/${path}`);

it('drives the demonstration day by default', () => {
  expect(parseOptions([])).toEqual({
    dataDir: '.meterhouse',
    once: false,
    job: { kind: 'demo', seed: 1, events: 60_000 },
  });
  expect(parseOptions(['--once', '--seed', '7', '--events', '3000', '--data-dir', 'd'])).toEqual({
    dataDir: '/home/d',
    once: true,
    job: { kind: 'demo', seed: 7, events: 3_000 },
  });
});

it('hands the reading of files on', () => {
  const args = ['--import', 'a.csv', 'b.csv', '--map', 'ts=T', '--map', 'id=I', '--shift-days', '-3'];
  expect(parseOptions([...args, '--registry', 'r.yaml']).job).toEqual({
    kind: 'import',
    files: ['/home/a.csv', '/home/b.csv'],
    importArgs: ['--map', 'ts=T', '--map', 'id=I', '--shift-days', '-3'],
    registry: '/home/r.yaml',
  });
  expect(parseOptions(['--empty']).job).toEqual({ kind: 'empty', registry: null });
});

it.each([
  [['--import', 'a', '--empty'], 2],
  [['--map', 'ts=T'], 2],
  [['--registry', 'r.yaml'], 2],
  [['--empty', '--events', '100'], 2],
  [['--events', 'many'], 2],
  [['--nonsense'], 2],
  [['--help'], 0],
] as const)('ends %j with %d', (args, exitCode) => {
  const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    expect(() => parseOptions(args)).toThrow(NothingToStart);
    expect(() => parseOptions(args)).toThrow(expect.objectContaining({ exitCode }));
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
});
