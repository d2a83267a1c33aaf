/** Guarantee: the snippets of docs/producers/wrappers.md compile as they stand, with a `meter` at hand. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = await readFile(`${root}docs/producers/wrappers.md`, 'utf8');
const snippets = new Map(
  [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ''], index) => [
    `${root}test/docs/snippet-${index + 1}.ts`,
    `import type { Meter } from '@meterhouse/producer';\ndeclare const meter: Meter;\n${code}\nexport {};\n`,
  ]),
);

/** The snippets are files that only the compiler sees. */
function hostOf(options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options);
  return {
    ...host,
    fileExists: (path) => snippets.has(path) || host.fileExists(path),
    readFile: (path) => snippets.get(path) ?? host.readFile(path),
    getSourceFile: (path, version, ...rest) => {
      const code = snippets.get(path);
      return code === undefined
        ? host.getSourceFile(path, version, ...rest)
        : ts.createSourceFile(path, code, version);
    },
  };
}

it('every snippet compiles', () => {
  expect(snippets.size).toBe(10);
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  const program = ts.createProgram(
    [...snippets.keys()],
    { ...options, noUnusedLocals: false },
    hostOf(options),
  );
  const problems = [...snippets.keys()].flatMap((path) => {
    const file = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
  });
  expect(
    problems.map(
      (one) =>
        `${one.file?.fileName.slice(root.length)}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`,
    ),
  ).toEqual([]);
}, 300_000);
