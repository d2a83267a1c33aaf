export {
  forgetDecisions,
  keepDecisions,
  noteDecisionLog,
  type DecisionLogStand,
  type KeptDecision,
  type UnreadableDecision,
} from './keep-decisions.ts';
export { listDecisions, readDecision, type DecisionFilter, type DecisionRow } from './read-decisions.ts';
