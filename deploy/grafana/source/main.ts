/** `npm run dashboards:generate`: writes deploy/grafana/dashboards anew. */
import { writeFileSync } from 'node:fs';
import { boardFile, boardPath, BOARDS } from './boards.ts';

for (const spec of BOARDS) {
  writeFileSync(boardPath(spec), await boardFile(spec));
  process.stdout.write(`${spec.file}.json written\n`);
}
