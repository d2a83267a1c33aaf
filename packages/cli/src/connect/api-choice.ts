/** Whether an API is to be asked, and with which key. */
import { UsageError } from '../exit.ts';

export interface ApiChoices {
  /** `--api`. */
  readonly url: string | null;
  /** `--api-key`. */
  readonly key: string | null;
  /** `--api-key-file`. */
  readonly keyFile: string | null;
  /** Whether an option names a store or a stack's folder. */
  readonly namesStores: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface ApiChoice {
  readonly url: string;
  readonly key: string;
}

const MAX_KEY_LENGTH = 16_384;

/**
 * @param readFile gives a file's text
 * @returns null: the stores are asked
 * @throws UsageError, which never holds the key
 */
export function chosenApi(choices: ApiChoices, readFile: (path: string) => string): ApiChoice | null {
  const { url, env, namesStores } = choices;
  if (url !== null && namesStores)
    throw new UsageError('--api stands alone: options that name stores are for asking those instead');
  // An option is nearer than a variable.
  const address = url ?? (namesStores ? null : (given(env['METERHOUSE_API_URL']) ?? null));
  if (address === null) {
    if (choices.key !== null || choices.keyFile !== null)
      throw new UsageError('a key is for the API: say where that is, with --api or METERHOUSE_API_URL');
    return null;
  }
  return { url: checkedUrl(address), key: keyOf(choices, readFile) };
}

function checkedUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError('--api (or METERHOUSE_API_URL): must be an address, http://… or https://…');
  if (url.username !== '' || url.password !== '')
    throw new UsageError('--api (or METERHOUSE_API_URL): must not hold a password; give the key by itself');
  return text;
}

function keyOf({ key, keyFile, env }: ApiChoices, readFile: (path: string) => string): string {
  if (key !== null && keyFile !== null)
    throw new UsageError('--api-key and --api-key-file exclude each other');
  const [from, text] =
    key !== null
      ? ['--api-key', key]
      : keyFile !== null
        ? [`--api-key-file ${keyFile}`, readFile(keyFile)]
        : ['METERHOUSE_API_KEY', given(env['METERHOUSE_API_KEY']) ?? ''];
  const trimmed = text.trim();
  if (trimmed === '')
    throw new UsageError(
      'the API wants a key: METERHOUSE_API_KEY, or --api-key-file FILE (--api-key can be seen by others in "ps")',
    );
  // It stands in a header.
  if (trimmed.length > MAX_KEY_LENGTH || !/^[\x21-\x7e]+$/.test(trimmed))
    throw new UsageError(`${from}: is not a key`);
  return trimmed;
}

function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
