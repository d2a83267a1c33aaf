/**
 * Guarantees:
 * - A reader is handed rows only if they continue its cursor and each other without a gap.
 * - A row of the change log becomes the very buckets that the flush wrote.
 */
import { describe, expect, test } from 'vitest';
import {
  continuationOf,
  interleave,
  parseChanges,
  type Continuation,
  type LogRow,
} from './change-log-reading-row.ts';

const row = (fromOffset: number, nextOffset: number, partition = 0): LogRow => ({
  source: 'events',
  partition,
  fromOffset: BigInt(fromOffset),
  nextOffset: BigInt(nextOffset),
});
const rows = (...list: LogRow[]): Continuation => ({ kind: 'rows', rows: list });
const broken = (why: 'pruned' | 'rewound'): Continuation => ({ kind: 'broken', why });

describe('I5: no flush is passed over', () => {
  const cases: [what: string, cursor: number | null, log: LogRow[], progress: number, Continuation][] = [
    ['nothing new', 5, [], 5, rows()],
    ['one row', 5, [row(5, 9)], 9, rows(row(5, 9))],
    ['rows that continue each other', 5, [row(5, 9), row(9, 10)], 10, rows(row(5, 9), row(9, 10))],
    ['a gap after the first row ends there', 5, [row(5, 9), row(10, 12)], 12, rows(row(5, 9))],
    ['the first row is gone', 5, [row(9, 10)], 10, broken('pruned')],
    ['all rows are gone', 5, [], 10, broken('pruned')],
    ['counting stands below the cursor', 5, [], 3, broken('rewound')],
    ['a row reaches over the cursor', 5, [row(3, 9)], 9, broken('rewound')],
    ['a partition never seen starts at its first row', null, [row(7, 9)], 9, rows(row(7, 9))],
    ['a partition never seen, nothing counted', null, [], 7, rows()],
  ];
  test.each(cases)('%s', (_, cursor, log, progress, expected) => {
    expect(continuationOf(cursor === null ? null : BigInt(cursor), log, BigInt(progress))).toEqual(expected);
  });
});

describe('interleave', () => {
  test('takes one row of each partition in turn, so that a backlog starves nobody', () => {
    const backlog = [row(0, 1, 0), row(1, 2, 0), row(2, 3, 0)];
    const fresh = [row(0, 1, 1)];
    expect(interleave([backlog, fresh], 3)).toEqual([row(0, 1, 0), row(0, 1, 1), row(1, 2, 0)]);
    expect(interleave([backlog, fresh], 100)).toHaveLength(4);
    expect(interleave([], 100)).toEqual([]);
  });
});

describe('parseChanges', () => {
  test('I8: decimals keep every digit, keys of attributes come sorted', () => {
    const json =
      '[["t","m",3600000,{"bb":"2","a":"x\\"y"},"123456789012345678901234567890123456789012345678.000000001",' +
      '"9007199254740993","-0.000000001","1","0.5",3600001,"id",18]]';
    expect(parseChanges(json)).toEqual([
      {
        tenantId: 't',
        metric: 'm',
        hour: 3_600_000,
        attrsKey: '{"a":"x\\"y","bb":"2"}',
        sum: 123456789012345678901234567890123456789012345678000000001n,
        count: 9007199254740993n,
        min: -1n,
        max: 1_000_000_000n,
        latest: 500_000_000n,
        latestTs: 3_600_001,
        latestId: 'id',
        revision: 18n,
      },
    ]);
  });

  test('a key that is called __proto__ is an attribute like any other', () => {
    const [bucket] = parseChanges('[["t","m",0,{"__proto__":"x"},"1","1","1","1","1",0,"id","1"]]');
    expect(bucket?.attrsKey).toBe('{"__proto__":"x"}');
  });
});
