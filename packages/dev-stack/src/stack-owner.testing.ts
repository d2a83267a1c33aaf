/** Owns a stack until it is killed: `stack-owner.testing.ts DATA_DIR PART...` */
import { startStack, type PartName } from './index.ts';

const [dataDir, ...parts] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('usage: stack-owner.testing.ts DATA_DIR PART...');
await startStack({ dataDir, parts: parts as PartName[] });
setInterval(() => undefined, 60_000);
