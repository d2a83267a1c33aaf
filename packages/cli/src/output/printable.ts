/** What a person wrote, safe to put on another's terminal and on one line: no control characters. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
