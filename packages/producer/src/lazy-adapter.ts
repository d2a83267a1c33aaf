/** An adapter that is still being loaded, in front of which events can be taken already. */
import type { Adapter } from './adapter.ts';
import { TransportError, type Transport } from './transport.ts';

export interface OpenedAdapter {
  /** Null: events go nowhere. */
  readonly transport: Transport | null;
  /** @throws where it cannot be loaded */
  readonly adapter: () => Promise<Adapter>;
  /** Closes what it answers with. The transport is closed before. */
  close(): Promise<void>;
}

export function opened(opening: Adapter | Promise<Adapter>): OpenedAdapter {
  return opening instanceof Promise ? loading(opening) : loaded(opening);
}

function loaded(adapter: Adapter): OpenedAdapter {
  return {
    transport: adapter.transport,
    adapter: () => Promise.resolve(adapter),
    close: () => adapter.close(),
  };
}

function loading(opening: Promise<Adapter>): OpenedAdapter {
  let transport: Transport | null = null;
  const known = opening.then((adapter) => {
    transport = adapter.transport;
    return adapter;
  });
  // Told to each sender, and to whoever asks whether it is ready.
  known.catch(() => undefined);
  return {
    transport: {
      send: async (events, signal) => {
        const adapter = await known.catch((error: unknown) => {
          const message = error instanceof Error ? error.message : String(error);
          throw new TransportError('unavailable', `the adapter cannot be loaded: ${message}`, {
            cause: error,
          });
        });
        await adapter.transport?.send(events, signal);
      },
      close: async () => {
        await settledWithout(known, async ({ transport: open }) => open?.close());
      },
      remakes: () => transport?.remakes() ?? 0,
    },
    adapter: () => known,
    close: () => settledWithout(known, (adapter) => adapter.close()),
  };
}

/** What was never loaded need not be closed; why it was not has been told. */
async function settledWithout(
  known: Promise<Adapter>,
  close: (adapter: Adapter) => Promise<void> | undefined,
): Promise<void> {
  const adapter = await known.catch(() => null);
  if (adapter !== null) await close(adapter);
}
