/** Runs every example and keeps what the API answered, for its document: `npm run examples:record`. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { EXAMPLES } from '../../services/api/src/documentation/examples.ts';
import type { ApiDocument } from './document.ts';
import { exchangeFor, send } from './exchange.ts';
import { exampleWorld } from './world.ts';

const PATH = fileURLToPath(
  new URL('../../services/api/src/documentation/answers.generated.json', import.meta.url),
);
/** Told once, and worth nothing, but nobody has to wonder whether it is. */
const SECRETS = /\b(mh_[0-9a-f]{16}_|whsec_)[A-Za-z0-9_\-+/=]+/g;

/** @param document as it is served; the next one that is has the answers */
export async function recordAnswers(document: ApiDocument): Promise<void> {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  // What takes away comes last.
  operations.sort((a, b) => Number(a.method === 'delete') - Number(b.method === 'delete'));
  const world = await exampleWorld();
  const answers: Record<string, Record<string, unknown>> = {};
  try {
    for (const { path, method, operation } of operations)
      for (const example of EXAMPLES[operation.operationId] ?? []) {
        const answered = await send(world, exchangeFor(path, method, operation, example.name));
        if (answered.status !== example.status)
          throw new Error(
            `${operation.operationId} ${example.name}: ${answered.status} ${JSON.stringify(answered.body)}`,
          );
        if (answered.body !== undefined && operation.operationId !== 'getOpenApi')
          (answers[operation.operationId] ??= {})[example.name] = answered.body;
      }
  } finally {
    await world.close();
  }
  const text = JSON.stringify(answers).replaceAll(SECRETS, '$1…');
  await writeFile(PATH, await format(text, { ...(await resolveConfig(PATH)), parser: 'json' }));
}
