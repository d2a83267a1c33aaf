import { TransportError } from './transport.ts';

/** The promise, or a rejection as soon as the signal is aborted; the promise is then left to itself. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  why: () => Error = noAcknowledgement,
): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => {
    aborted.reject(why());
  };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function noAcknowledgement(): Error {
  return new TransportError('unavailable', 'no acknowledgement in time');
}
