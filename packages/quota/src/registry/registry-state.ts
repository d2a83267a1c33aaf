/** All documents of one moment, by kind and id, as typed values. */
import { DOCUMENT_KINDS, DOCUMENTS, type DocumentKind, type DocumentOf } from './documents.ts';

export class RegistryState {
  readonly #byKind = new Map<DocumentKind, Map<string, unknown>>(
    DOCUMENT_KINDS.map((kind) => [kind, new Map<string, unknown>()]),
  );

  /** @throws ZodError where a stored document is none of its kind: it was not written by us */
  static of(
    stored: Iterable<{ readonly kind: string; readonly id: string; readonly body: unknown }>,
  ): RegistryState {
    const state = new RegistryState();
    for (const { kind: name, id, body } of stored) {
      const kind = DOCUMENT_KINDS.find((each) => each === name);
      if (kind !== undefined && body !== null) state.#of(kind).set(id, DOCUMENTS[kind].parse(body));
    }
    return state;
  }

  /** Another state with these documents in it, and without those whose body is null. */
  with(
    documents: Iterable<{ readonly kind: DocumentKind; readonly id: string; readonly body: unknown }>,
  ): RegistryState {
    const next = new RegistryState();
    for (const [kind, known] of this.#byKind) next.#byKind.set(kind, new Map(known));
    for (const { kind, id, body } of documents)
      if (body === null) next.#of(kind).delete(id);
      else next.#of(kind).set(id, body);
    return next;
  }

  get<K extends DocumentKind>(kind: K, id: string): DocumentOf<K> | undefined {
    return this.#of(kind).get(id) as DocumentOf<K> | undefined;
  }

  all<K extends DocumentKind>(kind: K): ReadonlyMap<string, DocumentOf<K>> {
    return this.#of(kind) as ReadonlyMap<string, DocumentOf<K>>;
  }

  #of(kind: DocumentKind): Map<string, unknown> {
    const documents = this.#byKind.get(kind);
    if (documents === undefined) throw new TypeError(`no documents of the kind ${kind}`);
    return documents;
  }
}
