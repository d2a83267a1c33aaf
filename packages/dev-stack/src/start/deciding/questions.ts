/** What the demonstration asks a gate, one question for each kind of answer. See demo-registry.yaml. */
import type { Question } from '@meterhouse/quota';

export interface DemoQuestion {
  readonly who: string;
  readonly what: string;
  readonly question: Question;
}

const actor = { type: 'user', id: 'ann@example.com', roles: ['member'], scopes: [] };
const apiCall = {
  actor,
  product: 'api',
  resourceType: 'route',
  action: 'call',
  usage: { metric: 'api.calls', unit: 'call', delta: 1 },
} as const;
const modelCall = {
  actor,
  product: 'inference',
  resourceType: 'model',
  action: 'call',
  usage: { metric: 'llm.input_tokens', unit: 'token', delta: 900 },
} as const;
const launch = {
  actor,
  product: 'compute',
  resourceType: 'job',
  action: 'launch',
  usage: { metric: 'gpu.hours', unit: 'hour', delta: '0.5' },
} as const;

/** Takes the whole pool, so that the next one finds none. */
export const FIRST_LAUNCH: DemoQuestion = {
  who: 'Acme, Vision',
  what: 'launches a job on 2 GPUs',
  question: { ...launch, tenantId: 'acme-vision', slots: 2 },
};

export const QUESTIONS: readonly DemoQuestion[] = [
  {
    who: 'Acme, Vision',
    what: 'launches another, the pool is taken',
    question: { ...launch, tenantId: 'acme-vision' },
  },
  {
    who: 'Acme, Support desk',
    what: 'asks a model, Acme is past its hard cap',
    question: { ...modelCall, tenantId: 'acme-support' },
  },
  {
    who: "Globex, Tracking (arm's length)",
    what: 'calls the API, past a cap that is soft for it',
    question: { ...apiCall, tenantId: 'globex-tracking' },
  },
  {
    who: 'Studio Nord (internal)',
    what: 'calls the API, past the same cap',
    question: { ...apiCall, tenantId: 'studio-nord' },
  },
  {
    who: 'Lumen Health, Imaging',
    what: 'launches a job, its plan has none',
    question: { ...launch, tenantId: 'lumen-imaging' },
  },
  {
    who: 'Acme, Vision, a guest',
    what: 'launches a job without a role',
    question: { ...launch, actor: { ...actor, id: 'guest', roles: [] }, tenantId: 'acme-vision' },
  },
];

/** Asked once more while the snapshot service is paused. */
export const STALE_LAUNCH: DemoQuestion = {
  who: 'Acme, Vision',
  what: 'launches a job, the snapshot service is paused',
  question: { ...launch, tenantId: 'acme-vision' },
};
