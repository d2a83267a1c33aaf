import type { ServiceFacts, StatusFacts } from './facts.ts';
import { behind, note, ok, person, runbook, type Line } from './line.ts';

const SERVICES = ['aggregator', 'quota-snapshot', 'decision-log', 'webhooks', 'relay', 'api'] as const;
type Service = (typeof SERVICES)[number];

const RUNBOOKS: Readonly<Record<Service, string>> = {
  aggregator: runbook('lag-growing'),
  'quota-snapshot': runbook('snapshots-behind'),
  'decision-log': runbook('decisions-behind'),
  webhooks: runbook('webhooks-failing'),
  relay: runbook('outbox-behind'),
  api: runbook('service-away'),
};

/** Those whose metrics port is known are asked; of the others Postgres knows who is connected. */
export function judgeServices(facts: StatusFacts): readonly Line[] {
  const asked = new Set(facts.services.map(({ name }) => name));
  return [
    ...facts.services.map(judgeAsked),
    ...SERVICES.filter((service) => !asked.has(service)).flatMap((service) => judgeSeen(service, facts)),
  ];
}

function judgeAsked({ name, url, running, health }: ServiceFacts): Line {
  const next = nextFor(name);
  if (!health.answers)
    return person(
      name,
      running === false
        ? 'its process is gone'
        : `does not answer at ${url} (${health.reason})${running === true ? '; its process is there' : ''}`,
      runbook('service-away'),
    );
  const { stuck, waiting } = health.value;
  if (stuck.length > 0) return person(name, `stuck: ${stuck.join('; ')}`, next);
  const required = waiting.filter((part) => part.required).map(({ reason }) => reason);
  if (required.length > 0) return behind(name, `not ready: ${required.join('; ')}`, next);
  if (waiting.length > 0)
    return note(name, `ready, without ${waiting.map(({ reason }) => reason).join('; ')}`);
  return ok(name, 'ready');
}

/** Whether anybody counts: what is behind without an aggregator stays behind. */
export function isSeen(service: Service, facts: StatusFacts): boolean {
  const asked = facts.services.filter(({ name }) => name === service);
  if (asked.length > 0) return asked.some(({ health }) => health.answers);
  return sessionsOf(service, facts) !== 0;
}

function judgeSeen(service: Service, facts: StatusFacts): readonly Line[] {
  const sessions = sessionsOf(service, facts);
  // Postgres cannot say.
  if (sessions === null) return [];
  if (sessions > 0) return [ok(service, `connected to Postgres (${sessions})`)];
  if (service === 'aggregator')
    return [person(service, 'none is connected to Postgres', runbook('service-away'))];
  // Only who uses the outbox needs one; of events that wait there without one its own line speaks.
  if (service === 'relay') return [];
  return [note(service, 'none is connected to Postgres')];
}

function sessionsOf(service: Service, { postgres }: StatusFacts): number | null {
  const system = postgres.answers ? postgres.value.system : null;
  if (system === null) return null;
  let sessions = 0;
  for (const [name, count] of system.sessions)
    if (name === `meterhouse-${service}` || name.startsWith(`meterhouse-${service}-`)) sessions += count;
  return sessions;
}

function nextFor(name: string): string {
  const service = SERVICES.find((one) => one === name);
  return service === undefined ? runbook('service-away') : RUNBOOKS[service];
}
