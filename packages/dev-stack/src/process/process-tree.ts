import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Whether a process with this pid exists. A zombie does not count: it holds no file, port or memory. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return readStat(pid)?.state !== 'Z';
}

/** Something that differs between a process and a later one with the same pid, or undefined if it is gone. */
export function processStartMark(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = readStat(pid);
    return stat ? `${bootId()}/${stat.startTicks}` : undefined;
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined; // ps exits 1 when no such process exists
  }
}

/** Pids of all processes below `pid`, itself not included. */
export function descendantsOf(pid: number): number[] {
  const childrenOf = Map.groupBy(parentPairs(), (pair) => pair.parent);
  const found: number[] = [];
  const left = [pid];
  for (let parent = left.pop(); parent !== undefined; parent = left.pop()) {
    for (const child of childrenOf.get(parent) ?? []) {
      found.push(child.pid);
      left.push(child.pid);
    }
  }
  return found;
}

function parentPairs(): { pid: number; parent: number }[] {
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        const stat = readStat(Number(name));
        return stat ? [{ pid: Number(name), parent: stat.parent }] : [];
      });
  }
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent) };
    });
}

function readStat(pid: number): { state: string; parent: number; startTicks: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // gone, or a system without /proc
  }
  // The command's name stands in parentheses and may hold anything; the fields count from its end.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent] = fields;
  const startTicks = fields[19];
  if (state === undefined || parent === undefined || startTicks === undefined) return undefined;
  return { state, parent: Number(parent), startTicks };
}

let knownBootId: string | undefined;
function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}
