/** The boards, and the files that Grafana reads them from. */
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { boardOf } from './board.ts';
import { CAPACITY } from './capacity.ts';
import { OPERATORS } from './operators.ts';
import type { BoardSpec } from './panel.ts';
import { PRODUCERS } from './producers.ts';

export const BOARDS: readonly BoardSpec[] = [OPERATORS, CAPACITY, PRODUCERS];

export function boardPath({ file }: BoardSpec): string {
  return fileURLToPath(new URL(`../dashboards/${file}.json`, import.meta.url));
}

/** The file's content as it has to be. */
export async function boardFile(spec: BoardSpec): Promise<string> {
  const options = await resolveConfig(boardPath(spec));
  return format(JSON.stringify(boardOf(spec)), { ...options, parser: 'json' });
}
