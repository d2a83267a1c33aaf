/** How the server ends: what is under way is answered, nothing new is taken, and no client can hold it up. */
import type { FastifyInstance } from 'fastify';

/** How often connections are looked for whose last answer has gone out. */
const SWEEP_EVERY_MS = 50;
/** Of the time there is: from when on answers that wait for somebody else are given as they stand. */
const ANSWER_SHARE = 0.5;
/** From when on whoever is still sending or reading is cut off: nothing was acknowledged to them. */
const CUT_SHARE = 0.7;

/**
 * A client that keeps its connection would hold up the stop until it lets go of it, a minute or more: node
 * closes connections that are idle when the server closes, and none that become idle later.
 */
export function endKeptConnections(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', (done) => {
    closing = true;
    // Of answers whose head had gone out before.
    const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_EVERY_MS);
    app.server.once('close', () => clearInterval(sweep));
    done();
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('Connection', 'close');
  });
}

/**
 * Takes nothing new and resolves when the last connection is closed.
 * @param leftMs some of it is left over for what is closed after the server
 * @param answerNow makes requests that wait for others be answered as it stands
 */
export async function closeServer(
  app: FastifyInstance,
  leftMs: number,
  answerNow: () => void,
): Promise<void> {
  const timers = [
    setTimeout(answerNow, leftMs * ANSWER_SHARE),
    setTimeout(() => app.server.closeAllConnections(), leftMs * CUT_SHARE),
  ];
  try {
    await app.close();
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}
