/** Reads just enough of a message to know whose it is: the first two texts after the five bytes of header. */
export function peekIdentity(message: Buffer): { id: string; tenantId: string } | null {
  const id = readText(message, 5);
  if (id === null) return null;
  const tenant = readText(message, id.end);
  return tenant === null ? null : { id: id.text, tenantId: tenant.text };
}

/** An Avro string: its length in bytes as a zigzag varint, then UTF-8. */
function readText(message: Buffer, at: number): { text: string; end: number } | null {
  let length = 0;
  let factor = 1;
  for (; ; at++) {
    const byte = message[at];
    if (byte === undefined || factor > 2 ** 28) return null;
    length += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte < 0x80) break;
  }
  const start = at + 1;
  const end = start + length / 2;
  if (length % 2 !== 0 || end > message.length) return null;
  return { text: message.toString('utf8', start, end), end };
}
