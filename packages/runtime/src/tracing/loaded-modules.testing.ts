/** To be imported first: says at the end of the process which packages of OpenTelemetry it has loaded. */
import { registerHooks } from 'node:module';
import { writeSync } from 'node:fs';

const loaded = new Set<string>();
registerHooks({
  load: (url, context, nextLoad) => {
    const found = /\/@opentelemetry\/([a-z-]+)\//.exec(url)?.[1];
    if (found !== undefined) loaded.add(found);
    return nextLoad(url, context);
  },
});
process.on('exit', () => {
  writeSync(1, `opentelemetry: [${[...loaded].sort().join(' ')}]\n`);
});
