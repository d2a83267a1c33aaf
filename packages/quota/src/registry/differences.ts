/** What differs between two documents, field by field, in words: `limits[0].value: 100 → 200`. */

type Fields = Readonly<Record<string, unknown>>;

/** Documents are a few levels deep; what lies deeper is compared whole. */
const MAX_DEPTH = 4;

/** @param before,after a document that is not there has no fields */
export function differences(before: Fields, after: Fields): string[] {
  return fieldsThatDiffer('', before, after, MAX_DEPTH);
}

function fieldsThatDiffer(path: string, before: Fields, after: Fields, depth: number): string[] {
  const names = new Set([...Object.keys(after), ...Object.keys(before)]);
  return [...names].flatMap((name) =>
    between(path === '' ? name : `${path}.${name}`, before[name], after[name], depth),
  );
}

function between(path: string, before: unknown, after: unknown, depth: number): string[] {
  if (depth > 0) {
    if (isFields(before) && isFields(after)) return fieldsThatDiffer(path, before, after, depth - 1);
    if (isListOfFields(before) && isListOfFields(after))
      return Array.from({ length: Math.max(before.length, after.length) }, (_, index) =>
        between(`${path}[${index}]`, before[index], after[index], depth - 1),
      ).flat();
  }
  const [was, becomes] = [words(before), words(after)];
  return was === becomes ? [] : [`${path}: ${was} → ${becomes}`];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An empty list is neither: it is said as `[]`. */
function isListOfFields(value: unknown): value is readonly Fields[] {
  return Array.isArray(value) && value.length > 0 && value.every(isFields);
}

function words(value: unknown): string {
  if (value === null || value === undefined) return '(none)';
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return `[${value.join(', ')}]`;
  return JSON.stringify(value);
}
