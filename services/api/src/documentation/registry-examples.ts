/** Requests about the registry: the same five for each kind of document. */
import { COLLECTIONS } from '../routes/registry/schemas.ts';
import type { Examples, RequestExample } from './examples.ts';

const SIGNED = { reason: 'as agreed', author: 'ann' };
const LIMITED = { metric: 'tokens', period: 'month' };

/** One of each kind, which the registry may hold together. */
export const DOCUMENTS_OF_EXAMPLES = {
  tenant: { id: 'acme', name: 'Acme', parent: null, class: null, plan: 'small', status: 'active' },
  metric: {
    ...{ name: 'tokens', unit: 'token', aggregation: 'sum', scale: 2, family: 'token_request' },
    groupBy: ['model'],
  },
  product: {
    ...{ id: 'ai', name: 'AI', dimensions: [{ metric: 'tokens', unit: 'token' }] },
    actions: [{ resourceType: 'model', action: 'call', launchSensitive: false }],
  },
  plan: {
    ...{ id: 'small', name: 'Small', limits: [{ ...LIMITED, value: '1000', mode: 'hard', warnAt: [80] }] },
    entitlements: [{ product: 'ai', resourceType: 'model', action: 'call' }],
  },
  override: { id: 'acme-less', tenant: 'acme', ...LIMITED, value: '900', raises: null, ...SIGNED },
  delegation: { id: 'acme-dev-may', tenant: 'acme', to: 'acme-dev', ...LIMITED, upTo: '500', ...SIGNED },
  entitlement: {
    ...{ id: 'acme-models', tenant: 'acme', product: 'ai', resourceType: 'model', action: 'call' },
    ...SIGNED,
  },
  pool: { id: 'gpu', unit: 'gpu', size: 8 },
  access_rule: { id: 'members', effect: 'allow', actors: { roles: ['member'] } },
} as const;

/** What the examples take away again. */
export const RETIRED = 'retired';

const why = { reason: 'as agreed in the ticket' };

export const registry: Examples = {
  ...Object.fromEntries(
    COLLECTIONS.flatMap(({ kind, singular, plural }): [string, readonly RequestExample[]][] => {
      const document = DOCUMENTS_OF_EXAMPLES[kind];
      const params = { id: 'name' in document && kind === 'metric' ? document.name : idOf(document) };
      const one = { name: 'example', params, status: 200 } as const;
      // To delegate the right to raise is a privilege.
      const body = { document, ...why, ...(kind === 'delegation' ? { privileged: true } : {}) };
      return [
        [`list${plural}`, [{ name: 'example', query: { limit: '2' }, status: 200 }]],
        [`get${singular}`, [one]],
        [`put${singular}`, [{ ...one, body }]],
        [`delete${singular}`, [{ ...one, params: { id: RETIRED }, query: why }]],
      ];
    }),
  ),
  applyRegistry: [
    {
      name: 'example',
      body: {
        documents: [
          { kind: 'tenant', document: DOCUMENTS_OF_EXAMPLES.tenant },
          { kind: 'plan', document: DOCUMENTS_OF_EXAMPLES.plan },
        ],
        ...{ ...why, dryRun: true },
      },
      status: 200,
    },
  ],
  getRegistryHistory: [{ name: 'example', query: { kind: 'plan', id: 'small', limit: '2' }, status: 200 }],
  overrideLimit: [
    { name: 'example', params: { id: 'acme' }, body: { ...LIMITED, value: '800', ...why }, status: 200 },
  ],
};

function idOf(document: object): string {
  return 'id' in document ? String(document.id) : '';
}
