/** The bench's events: seeded, a hundred tenants, two metrics, one group-by attribute, UUIDv7 ids. */
import type { UsageEvent } from '@meterhouse/usage';
import { v7 } from 'uuid';

const BENCH_TENANTS = 100;

export const BENCH_REGISTRY = `
  INSERT INTO meterhouse.tenants (id, name)
    SELECT 'tenant-' || n, 'Tenant ' || n FROM generate_series(0, ${BENCH_TENANTS - 1}) AS n;
  INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family, group_by) VALUES
    ('llm.input_tokens', 'token', 'sum', 0, 'token_request', '{model}'),
    ('api.calls', 'call', 'count', 0, 'token_request', '{}');
  UPDATE meterhouse.registry_version SET version = version + 1;`;

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** @param start epoch ms of the first event; later ones follow a tenth of a millisecond apart */
export function benchEvent(n: number, start: number, random: () => number): UsageEvent {
  const ts = start + Math.floor(n / 10);
  const tokens = random() < 0.8;
  return {
    id: v7({ msecs: ts, random: randomBytes(random) }),
    tenantId: `tenant-${Math.floor(random() * BENCH_TENANTS)}`,
    metric: tokens ? 'llm.input_tokens' : 'api.calls',
    value: tokens ? String(1 + Math.floor(random() * 8_000)) : '1',
    ts,
    unit: null,
    source: 'bench',
    attrs: tokens ? { model: `model-${Math.floor(random() * 4)}` } : {},
    correlationId: null,
    attribution: null,
  };
}

function randomBytes(random: () => number): Uint8Array {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = Math.floor(random() * 256);
  return bytes;
}
