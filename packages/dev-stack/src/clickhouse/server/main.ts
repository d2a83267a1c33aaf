import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Admission } from './admission.ts';
import { Engine } from './engine.ts';
import { httpInterface } from './http-interface.ts';
import { Sessions } from './sessions.ts';

const [dir, port] = process.argv.slice(2);
if (dir === undefined || port === undefined) throw new Error('usage: main.ts DATA_DIR PORT');

const engine = new Engine(dir, fileURLToPath(new URL('engine-config.xml', import.meta.url)));
const sessions = new Sessions(engine, { limit: 64 });
const server = createServer(
  httpInterface({
    engine,
    sessions,
    admission: new Admission({ running: 12, waiting: 100 }),
    maxBodyBytes: 256 * 1024 * 1024,
  }),
);
// As ClickHouse: longer than the idle time after which @clickhouse/client drops a socket by itself.
server.keepAliveTimeout = 10_000;
server.listen(Number(port), '127.0.0.1');

process.once('SIGTERM', () => {
  // Queries in flight end first; idle keep-alive sockets would hold the server open.
  server.close(() => {
    sessions.close();
    engine.close();
  });
  server.closeIdleConnections();
});
