/** uid and gid of `nobody`, on every Linux. */
const nobody = 65534;

interface Command {
  file: string;
  args: string[];
}

/** Who must own Postgres' files, when that is not ourselves. */
export function ownerOfFiles(): { uid: number; gid: number } | undefined {
  return isRoot() ? { uid: nobody, gid: nobody } : undefined;
}

/**
 * Postgres refuses to run as root. As root we run it as nobody, who keeps the right to pass through folders:
 * the checkout or the data dir may lie below one that only root can enter (/root, what `mktemp -d` makes).
 */
export function unprivileged(file: string, args: readonly string[]): Command {
  if (!isRoot()) return { file, args: [...args] };
  if (process.platform !== 'linux') throw new Error('Postgres does not run as root: start as another user.');
  const rights = '+dac_override,+dac_read_search';
  return {
    file: 'setpriv',
    args: [
      `--reuid=${nobody}`,
      `--regid=${nobody}`,
      '--clear-groups',
      // access(2), which Postgres asks about its own binaries, looks at the rights only with this bit.
      '--securebits=+no_setuid_fixup',
      `--inh-caps=${rights}`,
      `--ambient-caps=${rights}`,
      file,
      ...args,
    ],
  };
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
