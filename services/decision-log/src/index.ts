export {
  startDecisionLog,
  type DecisionLogBounds,
  type DecisionLogOptions,
  type DecisionLogTimes,
  type RunningDecisionLog,
} from './decision-log.ts';
