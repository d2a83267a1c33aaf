/** `npm run build:producer`: the package for others, into packages/producer/dist. */
import { fileURLToPath } from 'node:url';
import own from '../package.json' with { type: 'json' };
import { build } from './build.ts';

await build(own, fileURLToPath(new URL('../dist/', import.meta.url)));
