export * from './buckets.ts';
export * from './check.ts';
export * from './decimal.ts';
export * from './event.ts';
export * from './identity.ts';
export * from './outcome.ts';
export * from './registry.ts';
export * from './time.ts';
