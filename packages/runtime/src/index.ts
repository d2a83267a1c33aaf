export { backoffMs } from './backoff.ts';
export {
  ConfigError,
  kafkaVariables,
  parseConfig,
  processVariables,
  storeVariables,
  wholeNumber,
  type KafkaConfiguration,
} from './config.ts';
export { Drain } from './drain.ts';
export { createLogger, type Logger } from './logger.ts';
export { Releases } from './releases.ts';
export { passwordsIn } from './secrets.ts';
export { runService, type RunningService } from './service.ts';
export { DeadlineError, ignore, isAborted, pause, waitFor } from './waiting.ts';
