export { startRelay, type RelayOptions, type RunningRelay } from './relay.ts';
