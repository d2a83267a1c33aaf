/** Numbers and lengths of time as people read them. Pure. */

/** `1234567.89` as `1,234,567.89`. Takes whole numbers and decimal strings, never a float. */
export function withThousands(decimal: string | bigint | number): string {
  const text = decimal.toString();
  const point = text.indexOf('.');
  const integer = point === -1 ? text : text.slice(0, point);
  return integer.replace(/\B(?=(\d{3})+$)/g, ',') + (point === -1 ? '' : text.slice(point));
}

/** `1 event`, `2 events`. */
export function counted(count: bigint | number, one: string, many = `${one}s`): string {
  return `${withThousands(count)} ${count.toString() === '1' ? one : many}`;
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatAge(ageMs: number): string {
  const ms = Math.max(0, ageMs);
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `2026-11-22 17:00:03Z`. */
export function formatInstant(ts: number): string {
  return `${new Date(ts).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** One bar a value, the highest of them full. */
export function sparkline(values: readonly number[]): string {
  const highest = Math.max(...values, 1);
  return values
    .map((value) => BARS[Math.min(BARS.length - 1, Math.floor((value / highest) * BARS.length))] ?? '')
    .join('');
}

/** `███████░░░` */
export function progressBar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}
