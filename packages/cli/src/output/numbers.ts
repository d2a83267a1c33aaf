/** Numbers as people read them. What goes in are whole numbers or decimal strings; floats do not occur. */

/** `1234567.89` as `1,234,567.89`. The comma is the same everywhere, so that output can be compared. */
export function withThousands(decimal: string | bigint | number): string {
  const text = decimal.toString();
  const point = text.indexOf('.');
  const integer = point === -1 ? text : text.slice(0, point);
  return integer.replace(/\B(?=(\d{3})+$)/g, ',') + (point === -1 ? '' : text.slice(point));
}

/** `1 event`, `2 events`, `1,000 events`. */
export function counted(count: bigint | number | string, one: string, many = `${one}s`): string {
  return `${withThousands(count)} ${count.toString() === '1' ? one : many}`;
}
