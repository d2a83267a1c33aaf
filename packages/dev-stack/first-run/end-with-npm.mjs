import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';

const lookEveryMs = 500;

/**
 * Ends this process when the npm that runs it is gone: one that is killed cannot tell us. Without npm we may
 * well be meant to outlive the shell that started us.
 */
export function endWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const grandparent = isShell(parent) ? lookAt(parent)?.parent : undefined;
  const timer = setInterval(() => {
    const orphaned = process.ppid !== parent;
    const shellOrphaned = grandparent !== undefined && lookAt(parent)?.parent !== grandparent;
    if (orphaned || shellOrphaned) process.exit(1); // the guard sees to the child
  }, lookEveryMs);
  timer.unref();
}

/** npm runs a script through a shell, which some shells leave standing between npm and us. */
function isShell(pid) {
  return /^-?(?:ba|da|z|k|a)?sh$/.test(lookAt(pid)?.name ?? '');
}

/** The name and the parent of a process. */
function lookAt(pid) {
  if (process.platform === 'linux') return fromProc(pid);
  const { status, stdout } = spawnSync('ps', ['-o', 'ppid=,comm=', '-p', String(pid)], { encoding: 'utf8' });
  const [, parent, command] = /^\s*(\d+)\s+(.+?)\s*$/.exec(stdout ?? '') ?? [];
  return status === 0 && parent !== undefined
    ? { parent: Number(parent), name: basename(command) }
    : undefined;
}

function fromProc(pid) {
  let stat;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // gone
  }
  const [, name, parent] = /^\d+ \((.*)\) \S (\d+) /s.exec(stat) ?? [];
  return { parent: Number(parent), name };
}
