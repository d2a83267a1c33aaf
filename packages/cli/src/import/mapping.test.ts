/**
 * Guarantees:
 * - the mapping can be given by options, by a file, or by both; options stand above the file
 * - what is wrong is refused with the option or the path that it stands in
 * - an import's name depends on content, mapping and shift, and on nothing else
 */
import { expect, test } from 'vitest';
import { UsageError } from '../exit.ts';
import { ProblemsError } from '../problems.ts';
import { importSource, parseMappingFile, withOptions } from './mapping.ts';

test('options and file say the same', () => {
  const byOptions = withOptions(null, {
    map: ['ts=TIMESTAMP'],
    set: ['unit=token'],
    metric: ['llm.input_tokens=ContextTokens'],
    attr: ['model=Model=Name'],
    tenantFrom: 'hash:12:site-',
    timeZone: 'Europe/Paris',
    delimiter: '\\t',
  });
  const byFile = parseMappingFile(
    'mapping.yaml',
    `
map: { ts: TIMESTAMP }
set: { unit: token }
metrics: { llm.input_tokens: ContextTokens }
attrs: { model: 'Model=Name' }
tenantFrom: hash:12:site-
timeZone: Europe/Paris
delimiter: "\\t"
`,
  );
  expect(byOptions).toEqual(byFile);
  expect(byFile.tenantFrom).toEqual({ count: 12, prefix: 'site-' });
  expect(withOptions(byFile, { map: ['ts=Other', 'id=Id'] }).map).toEqual({ ts: 'Other', id: 'Id' });
});

test.each([
  { map: ['TIMESTAMP'] },
  { map: ['when=TIMESTAMP'] },
  { map: ['source=x'] },
  { set: ['id=1'] },
  { metric: ['no metric=x'] },
  { tenantFrom: '12' },
  { tenantFrom: 'hash:0' },
  { tenantFrom: 'hash:3: bad' },
  { delimiter: ';;' },
])('refuses %o', (options) => {
  expect(() => withOptions(null, options)).toThrow(UsageError);
});

test('a file’s problems are listed with their paths', () => {
  try {
    parseMappingFile('mapping.yaml', 'map: { when: x }\nformat: xml\nextra: 1\n');
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(ProblemsError);
    expect((error as ProblemsError).problems.map((problem) => problem.split(':')[0])).toEqual([
      'format',
      'map',
      '(the whole file)',
    ]);
  }
});

test('the name of an import', () => {
  const mapping = withOptions(null, { map: ['ts=T', 'id=I'] });
  const same = withOptions(null, { map: ['id=I', 'ts=T'] });
  expect(importSource('aa', mapping, 0)).toMatch(/^import:[0-9a-f]{24}$/);
  expect(importSource('aa', mapping, 0)).toBe(importSource('aa', same, 0));
  expect(importSource('aa', mapping, 0)).not.toBe(importSource('ab', mapping, 0));
  expect(importSource('aa', mapping, 0)).not.toBe(importSource('aa', mapping, 1));
  expect(importSource('aa', mapping, 0)).not.toBe(
    importSource('aa', withOptions(null, { map: ['ts=T'] }), 0),
  );
});
