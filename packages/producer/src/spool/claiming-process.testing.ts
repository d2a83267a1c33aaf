/** A process that claims as many files of a folder as it is told, keeps each, and says how many it has. */
import { writeSync } from 'node:fs';
import type { SpoolFile } from './spool-file.ts';
import { claimSpoolFile } from './spool-folder.ts';

const [folder = '', most = '1'] = process.argv.slice(2);
const files: SpoolFile[] = [];
let names = 0;
for (let claim = 0; claim < Number(most); claim++) {
  const file = claimSpoolFile({
    ...{ folder, durability: 'process' },
    newName: () => `p${process.pid}-${claim}-${names++}`,
    onUnreadable: (error) => {
      throw error;
    },
  });
  files.push(file);
}
writeSync(1, String(new Set(files.map(({ path }) => path)).size));
