/** What whoever else keeps things in Redis needs: a connection that is made again, and a circuit before it. */
export { CircuitBreaker, type CircuitState } from '../circuit-breaker.ts';
export { openRedisConnection, type RedisConnectionOptions } from './connection.ts';
export type { RedisConnection } from './scripts.ts';
