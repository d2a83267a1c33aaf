/** What the engine and its thread tell each other. */
export interface ThreadData {
  readonly module: Uint8Array;
  readonly entrypoint: string;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Of 64 KiB. */
  readonly initialMemoryPages: number;
  readonly maxMemoryPages: number;
}

export type FromThread =
  | { readonly kind: 'ready' }
  /** The module cannot be used at all. */
  | { readonly kind: 'unusable'; readonly problem: string }
  | { readonly kind: 'result'; readonly results: unknown }
  /** This evaluation failed; the next one starts on a new instance. */
  | { readonly kind: 'failed' };
