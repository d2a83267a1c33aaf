import cliProgress from 'cli-progress';

/** A bar that a person sees move; on anything but a terminal it does nothing. */
export interface Progress {
  update(done: number, note: string): void;
  stop(): void;
}

const NOWHERE: Progress = { update: () => undefined, stop: () => undefined };

/** @param sink null where nobody looks */
export function startProgress(sink: NodeJS.WritableStream | null, title: string, total: number): Progress {
  if (sink === null) return NOWHERE;
  const bar = new cliProgress.SingleBar(
    {
      format: `${title} {bar} {percentage}%  {note}`,
      stream: sink,
      hideCursor: true,
      clearOnComplete: true,
      fps: 8,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0, { note: '' });
  return {
    update: (done, note) => {
      bar.update(Math.min(done, total), { note });
    },
    stop: () => {
      bar.stop();
    },
  };
}
