/**
 * Sends usage events over HTTP and loses none that its page lives to send: `fetch` and nothing else, for
 * browsers, Deno, Bun and Node. In a browser `url` is a route of your own server, which adds the key.
 */

const MAX_WAITING = 10_000;
const BATCH = 100;
const ATTEMPTS = 8;

/** For what nobody asked to be told, and for a page that is gone by the time it could be told. */
function ignore() {
  return undefined;
}

/** @param {{ url: string, headers?: Record<string, string>, onRefused?: (outcome: object) => void }} options */
export function createUsageSender({ url, headers = {}, onRefused = ignore }) {
  let waiting = [];
  let sending = null;

  /** One request; what is neither acknowledged nor refused by it comes back. */
  async function post(events, keepalive) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(events),
      // Lets the request outlive its page; browsers bound such bodies to 64 KiB.
      keepalive,
    });
    const answer = await response.json();
    const retryAfterMs = Number(response.headers.get('Retry-After') ?? Number.NaN) * 1_000;
    if (answer.events === undefined && response.status !== 429 && response.status !== 503)
      throw Object.assign(new Error(answer.detail ?? `HTTP ${response.status}`), { permanent: true });
    const outcomes = answer.events ?? events.map((_, index) => ({ index, outcome: 'not_acknowledged' }));
    for (const one of outcomes)
      if (one.outcome === 'refused') onRefused({ ...one, event: events[one.index] });
    const open = outcomes.filter((one) => one.outcome === 'not_acknowledged').map((one) => events[one.index]);
    return { open, retryAfterMs };
  }

  async function drain() {
    for (let attempt = 0; waiting.length > 0;) {
      const batch = waiting.slice(0, BATCH);
      let waitMs = Math.random() * Math.min(1_000 * 2 ** attempt, 30_000);
      try {
        const { open, retryAfterMs } = await post(batch, false);
        waiting = [...open, ...waiting.slice(batch.length)];
        if (open.length === 0) {
          attempt = 0;
          continue;
        }
        if (!Number.isNaN(retryAfterMs)) waitMs = retryAfterMs;
      } catch (error) {
        // Without an answer nobody knows: the same events, with their ids, go out again.
        if (error.permanent === true) throw error;
      }
      attempt += 1;
      if (attempt >= ATTEMPTS) throw new Error(`${waiting.length} events are not acknowledged`);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  return {
    /** Takes an event; it gets its id and time here, once. Returns false where too many wait. */
    add(event) {
      if (waiting.length >= MAX_WAITING) return false;
      waiting.push({ id: crypto.randomUUID(), ts: Date.now(), ...event });
      return true;
    },
    /** Resolves when everything is acknowledged or refused. What is left after an error goes with the next call. */
    flush() {
      sending ??= drain().finally(() => {
        sending = null;
      });
      return sending;
    },
    /** For `pagehide`: one last request that the page need not wait for. Nothing of it counts twice. */
    leave() {
      if (waiting.length > 0) post(waiting.slice(0, BATCH), true).catch(ignore);
    },
  };
}

// In a page: addEventListener('pagehide', () => sender.leave());
// Here, as a program: node send-usage.mjs, with METERHOUSE_API and METERHOUSE_KEY set.
if (globalThis.process?.env.METERHOUSE_API !== undefined) {
  const refused = [];
  const sender = createUsageSender({
    url: `${process.env.METERHOUSE_API}/v1/events`,
    headers: { Authorization: `Bearer ${process.env.METERHOUSE_KEY}` },
    onRefused: (outcome) => refused.push(outcome),
  });
  sender.add({ metric: 'llm.input_tokens', value: '1280', attrs: { model: 'large' } });
  sender.add({ metric: 'gpu.hours', tenantId: 'acme/dev', value: '0.25' });
  await sender.flush();
  process.stdout.write(`refused: ${JSON.stringify(refused)}\n`);
}
