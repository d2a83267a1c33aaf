import { readdirSync, readFileSync } from 'node:fs';

/** /proc counts in hundredths of a second on every Linux that we know. */
const TICK_MS = 10;

/**
 * CPU time of a Postgres server, its finished and its running backends, in ms. Null where there is
 * no /proc.
 */
export function postgresCpuMs(postmasterPid: number): number | null {
  const postmaster = statOf(String(postmasterPid));
  if (postmaster === null) return null;
  let ticks = postmaster.own + postmaster.children;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const stat = statOf(pid);
    if (stat?.parent === postmasterPid) ticks += stat.own;
  }
  return ticks * TICK_MS;
}

function statOf(pid: string): { parent: number; own: number; children: number } | null {
  try {
    // The name in parentheses may hold spaces; the fields that we want stand after it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ').map(Number) ?? [];
    const [, parent = 0] = fields;
    const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15);
    return { parent, own: utime + stime, children: cutime + cstime };
  } catch (error) {
    // A process that ended between the listing and the look, or no /proc at all.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return null;
    throw error;
  }
}
