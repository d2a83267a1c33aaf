#!/usr/bin/env node
// The command's entry. Plain JavaScript, so that whatever Node `env` finds can read it: npm and npx
// put the repository's own Node 24 first, but started by its path the machine's Node comes up, and
// an older one cannot even load a .ts file.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const OLDEST_MAJOR = 24;
const main = new URL('./main.ts', import.meta.url);

if (Number(process.versions.node.split('.')[0]) >= OLDEST_MAJOR) {
  await import(main.href);
} else {
  const node = fileURLToPath(new URL('../../../node_modules/node/bin/node', import.meta.url));
  if (existsSync(node)) {
    // Ctrl-C reaches the whole process group; the child says how it ends.
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
    const child = spawnSync(node, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
    process.exitCode = child.status ?? 1;
  } else {
    process.stderr.write(
      `error: meterhouse needs Node ${OLDEST_MAJOR}, this is ${process.version}: run "npm install" in its repository, which brings one\n`,
    );
    process.exitCode = 1;
  }
}
