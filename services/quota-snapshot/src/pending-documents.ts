/**
 * Documents of the registry that are to be published, and the version that they make up. Pure. Readers
 * hold documents back until they hear that a version is complete, so its parts may go in many batches.
 */
import type { StoredDocument } from '@meterhouse/postgres';

type DocumentMessage =
  | {
      readonly kind: 'document';
      readonly documentKind: string;
      readonly id: string;
      readonly version: bigint;
      readonly body: unknown;
    }
  | { readonly kind: 'registry'; readonly version: bigint };

export interface TakenDocuments {
  readonly messages: readonly DocumentMessage[];
  readonly documents: readonly StoredDocument[];
  /** Complete with these; null while more wait. */
  readonly version: bigint | null;
}

export class PendingDocuments {
  /** A document that changes while it waits is published once, as it last was. */
  readonly #waiting = new Map<string, StoredDocument>();
  /** To be called complete; null when readers have been told. */
  #version: bigint | null = null;

  get size(): number {
    return this.#waiting.size + (this.#version === null ? 0 : 1);
  }

  mark(documents: readonly StoredDocument[], version: bigint): void {
    for (const document of documents) this.#waiting.set(`${document.kind}|${document.id}`, document);
    this.#version = version;
  }

  take(maxDocuments: number): TakenDocuments {
    const documents: StoredDocument[] = [];
    for (const [key, document] of this.#waiting) {
      if (documents.length >= maxDocuments) break;
      this.#waiting.delete(key);
      documents.push(document);
    }
    const version = this.#waiting.size === 0 ? this.#version : null;
    if (version !== null) this.#version = null;
    const messages: DocumentMessage[] = documents.map(({ kind, id, version: since, body }) => ({
      kind: 'document',
      documentKind: kind,
      id,
      version: since,
      body,
    }));
    if (version !== null) messages.push({ kind: 'registry', version });
    return { messages, documents, version };
  }

  /** Nobody knows whether they are published: again, unless they have changed since. */
  uncertain({ documents, version }: TakenDocuments): void {
    for (const document of documents) {
      const key = `${document.kind}|${document.id}`;
      if (!this.#waiting.has(key)) this.#waiting.set(key, document);
    }
    this.#version ??= version;
  }
}
