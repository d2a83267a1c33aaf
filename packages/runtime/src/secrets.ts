/** Keeps credentials out of text, wherever they come from: a field, a message, a driver's error. Pure. */

const CENSOR = '[redacted]';
/** What stands before the @ of any URL: `postgresql://ann:secret@host`. */
const USER_INFO = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s"'<>/?#@]*(?:@[^\s"'<>/?#@]*)*@/gi;
/** `password=secret`, in a query string or in the words of libpq. */
const NAMED = /\b((?:ssl)?password|passwd|secret|access_token|api_key)=[^&\s"'\\]+/gi;
/** Shorter than this, a secret would cut up innocent text; whoever has such a password has other troubles. */
const SHORTEST = 4;

export type Scrub = (text: string) => string;

/** @param secrets exact texts that must never appear, whatever stands around them */
export function createScrub(secrets: Iterable<string> = []): Scrub {
  const known = new Set<string>();
  for (const secret of secrets)
    for (const form of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
      if (form.length >= SHORTEST) known.add(form);
  // The longest first, so that none is left in part.
  const literal = [...known].sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const secret of literal) clean = clean.replaceAll(secret, CENSOR);
    return clean.replace(USER_INFO, `$1${CENSOR}@`).replace(NAMED, `$1=${CENSOR}`);
  };
}

/** The password of a URL, as it is written and as it is meant. */
export function passwordsIn(url: string): string[] {
  const { password } = new URL(url);
  if (password === '') return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    // A stray % is no escape: then it means what is written.
    return [password];
  }
}
