/** `npm run client:generate`: writes the types of @meterhouse/client anew. */
import { writeFile } from 'node:fs/promises';
import { clientTypes, TYPES_PATH } from './client-types.ts';
import { servedDocument } from './document.ts';

await writeFile(TYPES_PATH, await clientTypes(await servedDocument()));
