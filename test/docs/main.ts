/** `npm run docs:generate`: writes the generated parts of docs/ anew. */
import { writeFileSync } from 'node:fs';
import { PAGES, pathOf, renewed } from './pages.ts';

for (const page of PAGES) {
  const { now, wanted } = await renewed(page);
  if (now !== wanted) writeFileSync(pathOf(page), wanted);
  process.stdout.write(`${page.path}: ${now === wanted ? 'up to date' : 'written'}\n`);
}
