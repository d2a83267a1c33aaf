import type { Stores } from '../connect/stores.ts';
import type { RegistryFacts } from './facts.ts';

/** Only looks: asking for an id by way of our client would register what is not there. */
export async function askRegistry(stores: Stores, deadlineMs: number): Promise<RegistryFacts> {
  const url = new URL(stores.urlOf('schemaRegistry'));
  const headers: Record<string, string> = { Accept: 'application/vnd.schemaregistry.v1+json' };
  if (url.username !== '') {
    const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers['Authorization'] = `Basic ${Buffer.from(login).toString('base64')}`;
    url.username = '';
    url.password = '';
  }
  const subject = encodeURIComponent(`${stores.names.usageEventsTopic}-value`);
  const asked = `${url.href.replace(/\/+$/, '')}/subjects/${subject}/versions`;
  const answer = await fetch(asked, { headers, signal: AbortSignal.timeout(deadlineMs), redirect: 'error' });
  // What is in the answer is read, so that the connection is free again.
  await answer.arrayBuffer();
  if (!answer.ok && answer.status !== 404) throw new Error(`it answers with status ${answer.status}`);
  return { hasEventSchema: answer.ok };
}
