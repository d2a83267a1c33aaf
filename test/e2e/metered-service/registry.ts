/** The registry of the beds that decide. */
const entitlements = [{ product: 'summaries', resourceType: '*', action: '*' }];

/** What t3 has used: of its 7 tokens the next three are one billionth too many. */
export const USED_BY_T3 = '4.000000001';

/** The product that the example is, and a tenant t3 whose quota is nearly used up. */
export const REGISTRY = {
  metric: [
    { name: 'tokens', unit: 'token', aggregation: 'sum', scale: 9, family: 'token_request' },
    { name: 'bytes', unit: 'byte', aggregation: 'sum', scale: 0, family: 'storage' },
  ],
  product: [
    {
      id: 'summaries',
      name: 'Summaries',
      dimensions: [{ metric: 'tokens', unit: 'token' }],
      actions: [{ resourceType: 'summary', action: 'create', launchSensitive: false }],
    },
  ],
  plan: [
    {
      id: 'whole',
      name: 'Whole',
      limits: limitOf('1000'),
      entitlements,
    },
    { id: 'tiny', name: 'Tiny', limits: limitOf('7'), entitlements },
  ],
  tenant: [
    { id: 't1', name: 'T1', parent: null, class: null, plan: 'whole', status: 'active' },
    { id: 't2', name: 'T2', parent: 't1', class: null, plan: null, status: 'active' },
    { id: 't3', name: 'T3', parent: 't1', class: null, plan: 'tiny', status: 'active' },
  ],
  access_rule: [{ id: 'members', effect: 'allow', actors: { roles: ['member'] } }],
} as const;

function limitOf(value: string) {
  return [{ metric: 'tokens', period: 'month', value }];
}
