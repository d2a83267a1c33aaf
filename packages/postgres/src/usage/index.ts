export {
  readSubtree,
  readUsage,
  type AttributeFilter,
  type UsageKey,
  type UsagePeriod,
  type UsageQuestion,
  type UsageRow,
  type UsageTenants,
} from './read-usage.ts';
export { asOf, eventsBehind, lateShare, type AsOf, type LateShare, type LogEnds } from './as-of.ts';
export { readUsagePoint, type UsagePoint } from './usage-point.ts';
