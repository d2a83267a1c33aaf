/**
 * Guarantees: a file of statements is cut where ClickHouse would end them, and nowhere else.
 */
import { describe, expect, test } from 'vitest';
import { splitStatements } from './statements.ts';

describe('splitStatements', () => {
  const cases: [name: string, sql: string, statements: string[]][] = [
    ['nothing', ' \n -- only a comment; nothing else\n', []],
    ['two statements', 'SELECT 1; SELECT 2', ['SELECT 1', 'SELECT 2']],
    ['empty statements', ';;SELECT 1;;', ['SELECT 1']],
    ['comments before a statement are left out', '-- a; b\n/* c; /* d; */ */ SELECT 1;', ['SELECT 1']],
    ['comments within a statement stay', 'SELECT /* ; */ 1 -- ;\n, 2;', ['SELECT /* ; */ 1 -- ;\n, 2']],
    [
      'semicolons in strings',
      "SELECT ';', 'it''s; ', '\\';';SELECT 2",
      ["SELECT ';', 'it''s; ', '\\';'", 'SELECT 2'],
    ],
    ['semicolons in names', 'SELECT `a;b`, "c;d"; SELECT 2', ['SELECT `a;b`, "c;d"', 'SELECT 2']],
    [
      'a comment mark in a string',
      "SELECT '-- no', '/* no'; SELECT 2",
      ["SELECT '-- no', '/* no'", 'SELECT 2'],
    ],
    ['a statement that begins with a quote', "'x'; SELECT 2", ["'x'", 'SELECT 2']],
  ];
  test.each(cases)('%s', (_, sql, statements) => expect(splitStatements(sql)).toEqual(statements));

  test('what is not closed is refused instead of being sent in part', () => {
    expect(() => splitStatements("SELECT 'a; SELECT 2")).toThrow('not closed');
    expect(() => splitStatements('SELECT 1 /* a; SELECT 2')).toThrow('not closed');
  });
});
