/** The API over a topic of a test's own, and what is on that topic. */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { newTopic, readTopic, type TopicMessage } from '@meterhouse/producer/testing';
import { createLogger } from '@meterhouse/runtime';
import type { Principal } from '../access/roles.ts';
import { known, startTestApi, treeOf, type TestApi } from '../testing.ts';
import { createEventIntake, type EventIntake, type IntakeLimits } from './intake.ts';
import { eventsProblem, type EventsAnswer } from './outcomes.ts';

/** acme with two levels below it, and a tenant that is nobody's here. */
const TREE = treeOf({
  acme: ['acme'],
  'acme/dev': ['acme/dev', 'acme'],
  'acme/dev/search': ['acme/dev/search', 'acme/dev', 'acme'],
  other: ['other'],
});

const PRINCIPALS: Readonly<Record<string, Principal>> = {
  acme: { type: 'api_key', id: 'key-of-acme', role: 'ingest', tenantId: 'acme' },
  dev: { type: 'api_key', id: 'key-of-dev', role: 'ingest', tenantId: 'acme/dev' },
  reader: { type: 'api_key', id: 'key-of-reader', role: 'tenant_reader', tenantId: 'acme' },
  admin: { type: 'api_key', id: 'key-of-admin', role: 'tenant_admin', tenantId: 'acme' },
  operator: { type: 'api_key', id: 'key-of-operator', role: 'operator', tenantId: null },
};

export interface EventsApi {
  readonly api: TestApi;
  readonly intake: EventIntake;
  send(body: RequestInit['body'], options?: SendOptions): Promise<Sent>;
  onTopic(): Promise<TopicMessage[]>;
  close(): Promise<void>;
}

interface SendOptions {
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Sent {
  readonly status: number;
  readonly headers: Headers;
  readonly answer: Partial<EventsAnswer> & { readonly code?: string; readonly detail?: string };
}

interface Urls {
  readonly kafka: string;
  readonly schemaRegistry: string;
}

/** Long enough for a machine that is busy with other tests: only those about waiting say less. */
const PATIENT: IntakeLimits = { bufferEvents: 50_000, deliveryMs: 60_000, attemptMs: 20_000 };

/** @param given the shared stack by default */
export async function startEventsApi(given?: Urls, limits = PATIENT): Promise<EventsApi> {
  const endpoints = given ?? (await sharedStack());
  const { topic, kafka, target } = await newTopic(endpoints);
  const intake = createEventIntake(target, createLogger('api-test', 'silent'), limits);
  const api = await startTestApi({ authenticate: known(PRINCIPALS), tree: TREE, intake });
  return {
    api,
    intake,
    send: async (body, { as = 'acme', headers = { 'content-type': 'application/json' } } = {}) => {
      const response = await api.call(as, '/v1/events', { method: 'POST', body: body ?? null, headers });
      const answer = eventsProblem.partial().parse(await response.json());
      return { status: response.status, headers: response.headers, answer } as Sent;
    },
    onTopic: () => readTopic(endpoints, kafka, topic),
    close: async () => {
      await api.close();
      await intake.close(5_000);
    },
  };
}
