/**
 * Guarantees of asking a meter:
 *  - The answer says how old it is, never younger than it is, up to when it is complete, and how the cache
 *    had to do with it; from the cache it is never older than the bound.
 *  - One flight a question, however many ask it; entries are bounded; errors are not kept.
 *  - So many questions at once reach the origin, so many wait, and more are refused with `unavailable`; a
 *    hung origin ends with the deadline and holds no place afterwards.
 *  - A question that is wrong names its field; tenant, actor and correlation id come from the context.
 *  - A denial is an answer of `check`, and an error of `checkOrThrow` that names the scope that won.
 *  - Who has no answer says so, with the setting that names who has.
 */
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Adapter } from '../adapter.ts';
import { ReaderError } from '../adapter.ts';
import { allowed, CheckDenied, QuotaExceeded, type CheckAnswer, type CheckedQuestion } from '../check.ts';
import type { AnyConfiguration } from '../configuration/parse.ts';
import { createMeter } from '../create-meter.ts';
import type { Meter } from '../meter.ts';
import { withTenant } from '../tenant-context.ts';
import type { AskedUsage, UsageReading } from '../usage-question.ts';
import { AskError } from './ask-error.ts';

const HOUR = 3_600_000;
const asked = { tenantId: 'acme', metric: 'm', from: 0, to: HOUR };

/** Answers as told, and remembers what it was asked. */
class TestReader implements Adapter {
  readonly guarantees = { durableIn: 'nothing', counts: 'not_at_all' } as const;
  readonly transport = null;
  readonly classOf = null;
  readonly asked: AskedUsage[] = [];
  readonly checked: CheckedQuestion[] = [];
  answer: (question: AskedUsage) => Promise<UsageReading> = () =>
    Promise.resolve({ value: String(this.asked.length), unit: 'u', origin: 'postgres', completeThrough: 5 });
  decision: Partial<CheckAnswer> = {};
  readonly readUsage = (question: AskedUsage) => {
    this.asked.push(question);
    return this.answer(question);
  };
  readonly check = (question: CheckedQuestion) => {
    this.checked.push(question);
    return Promise.resolve({ ...allowed(question), ...this.decision });
  };
  readonly close = () => Promise.resolve();
}

function meterOn(
  adapter: Adapter,
  usage: AnyConfiguration['usage'] = {},
  clock: () => number = () => performance.now(),
): Meter {
  const meter = createMeter({ source: 'test', adapter, usage }, { ports: { clock } });
  onTestFinished(async () => {
    await meter.close();
  });
  return meter;
}

async function errorOf(failing: Promise<unknown>): Promise<AskError> {
  const error = await failing.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof AskError) return error;
  throw new Error(`expected an AskError, got ${String(error)}`);
}

describe('the answer about usage', () => {
  it('says its age and how complete it is; from the cache it is never older than the bound', async () => {
    let now = 0;
    const reader = new TestReader();
    const meter = meterOn(reader, { maxAgeMs: 1_000 }, () => now);
    const first = await meter.getUsage(asked);
    expect(first).toMatchObject({
      ...asked,
      value: '1',
      unit: 'u',
      asOf: { ageMs: 0, cache: 'miss', origin: 'postgres', completeThrough: '1970-01-01T00:00:00.005Z' },
    });
    now = 999.5;
    expect(await meter.getUsage(asked)).toMatchObject({
      value: '1',
      asOf: { ageMs: 1_000, cache: 'memory' },
    });
    now = 1_001;
    expect(await meter.getUsage(asked)).toMatchObject({ value: '2', asOf: { ageMs: 0, cache: 'miss' } });
  });

  it('counts the time that the origin took to its age', async () => {
    let now = 0;
    const reader = new TestReader();
    reader.answer = () => {
      now += 300;
      return Promise.resolve({ value: '7', unit: null, origin: 'api', completeThrough: null });
    };
    const meter = meterOn(reader, { maxAgeMs: 1_000 }, () => now);
    expect((await meter.getUsage(asked)).asOf).toMatchObject({ ageMs: 300, cache: 'miss' });
    now = 900;
    expect((await meter.getUsage(asked)).asOf).toMatchObject({ ageMs: 900, cache: 'memory' });
  });

  it('is asked for once at a time, however many want it; other questions are other answers', async () => {
    const reader = new TestReader();
    const go = Promise.withResolvers<undefined>();
    reader.answer = async ({ metric }) => {
      await go.promise;
      return { value: metric === 'm' ? '1' : '2', unit: null, origin: 'api', completeThrough: null };
    };
    const meter = meterOn(reader, { cache: 'off' });
    const many = Array.from({ length: 50 }, () => meter.getUsage(asked));
    const other = meter.getUsage({ ...asked, metric: 'n' });
    const subtree = meter.getUsage({ ...asked, descendants: true });
    go.resolve(undefined);
    expect(new Set((await Promise.all(many)).map(({ value }) => value))).toEqual(new Set(['1']));
    expect((await other).value).toBe('2');
    expect((await subtree).descendants).toBe(true);
    expect(reader.asked).toHaveLength(3);
    await meter.getUsage(asked);
    expect(reader.asked).toHaveLength(4);
  });

  it('is kept for so many questions and no more', async () => {
    const reader = new TestReader();
    const meter = meterOn(reader, { maxEntries: 2, maxAgeMs: 60_000 });
    for (const metric of ['a', 'b', 'c']) await meter.getUsage({ ...asked, metric });
    await meter.getUsage({ ...asked, metric: 'c' });
    expect(reader.asked).toHaveLength(3);
    await meter.getUsage({ ...asked, metric: 'a' });
    expect(reader.asked).toHaveLength(4);
  });

  it('is never that of another question', () => {
    const name = fc.stringMatching(/^[a-z][a-z:]{0,3}$/);
    return fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(name, fc.constantFrom('m', 'n'), fc.nat(2)), { maxLength: 20 }),
        async (all) => {
          const reader = new TestReader();
          const said = (question: AskedUsage) => `${question.tenantId} ${question.metric} ${question.to}`;
          reader.answer = (question) =>
            Promise.resolve({ value: said(question), unit: null, origin: 'api', completeThrough: null });
          const meter = meterOn(reader, { maxAgeMs: 60_000 });
          for (const [tenantId, metric, hours] of all) {
            const question = { tenantId, metric, from: 0, to: (hours + 1) * HOUR };
            expect((await meter.getUsage(question)).value).toBe(said({ ...question, descendants: false }));
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('that was an error is not kept', async () => {
    const reader = new TestReader();
    const { answer } = reader;
    reader.answer = () => Promise.reject(new ReaderError('unavailable', 'gone'));
    const meter = meterOn(reader);
    expect(await errorOf(meter.getUsage(asked))).toMatchObject({
      code: 'unavailable',
      canRetry: true,
      message: 'gone',
    });
    reader.answer = () => Promise.reject(new ReaderError('refused', 'no such metric', { field: 'metric' }));
    expect(await errorOf(meter.getUsage(asked))).toMatchObject({
      code: 'refused',
      canRetry: false,
      field: 'metric',
    });
    reader.answer = answer;
    expect((await meter.getUsage(asked)).asOf.cache).toBe('miss');
  });
});

describe('the bound on questions', () => {
  it('lets so many ask and so many wait, refuses more, and frees the place of one that hangs', async () => {
    const reader = new TestReader();
    const { answer } = reader;
    reader.answer = () => new Promise(() => undefined);
    const meter = meterOn(reader, { concurrency: 2, waiting: 1, deadlineMs: 200, cache: 'off' });
    const ask = (metric: string) => errorOf(meter.getUsage({ ...asked, metric }));
    const held = [ask('a'), ask('b'), ask('c')];
    expect((await ask('d')).message).toMatch(/2 questions are asked and 1 wait already/);
    for (const error of await Promise.all(held)) expect(error).toMatchObject({ code: 'unavailable' });
    expect(reader.asked.map(({ metric }) => metric)).not.toContain('d');
    reader.answer = answer;
    expect(await meter.getUsage({ ...asked, metric: 'e' })).toMatchObject({ unit: 'u' });
  });
});

describe('a question that is wrong', () => {
  const meter = createMeter({ source: 'test', adapter: new TestReader() });
  it.each([
    ['tenantId', { tenantId: undefined }],
    ['tenantId', { tenantId: 'no tenant' }],
    ['metric', { metric: '' }],
    ['from', { from: 1 }],
    ['from', { from: 'yesterday' }],
    ['from', { from: new Date(Number.NaN) }],
    ['to', { to: 0 }],
    ['to', { to: Number.NaN }],
  ])('names %s: %o', async (field, fields) => {
    const error = await errorOf(meter.getUsage({ ...asked, ...fields }));
    expect(error).toMatchObject({ code: 'refused', field, canRetry: false });
    expect(error.message).toContain(field);
  });

  it('names the actor that nobody gave', async () => {
    const question = { tenantId: 'acme', product: 'p', resourceType: 'r', action: 'a' };
    expect(await errorOf(meter.check(question))).toMatchObject({ code: 'refused', field: 'actor' });
  });
});

describe('check', () => {
  const actor = { type: 'user', id: 'ann', roles: ['member'], scopes: [] };
  const question = { product: 'p', resourceType: 'r', action: 'a' };

  it('takes tenant, actor and correlation id from the context; what is given wins', async () => {
    const reader = new TestReader();
    const meter = meterOn(reader);
    const context = { tenantId: 'acme', principal: actor, correlationId: 'c-1' };
    await withTenant(context, () => meter.check(question));
    const other = { ...actor, id: 'bob' };
    await withTenant(context, () =>
      meter.check({ ...question, tenantId: 'beta', actor: other, correlationId: 'c-2' }),
    );
    expect(reader.checked).toEqual([
      { ...question, tenantId: 'acme', actor, correlationId: 'c-1' },
      { ...question, tenantId: 'beta', actor: other, correlationId: 'c-2' },
    ]);
  });

  it('answers a denial; checkOrThrow throws it, with the scope whose ceiling won', async () => {
    const reader = new TestReader();
    const meter = meterOn(reader);
    const ask = { ...question, tenantId: 'acme-dev', actor };
    expect(await meter.checkOrThrow(ask)).toMatchObject({ outcome: 'allow', enforced: false });
    const ceiling = {
      scope: 'acme',
      metric: 'm',
      period: 'month',
      mode: 'hard',
      value: '10',
      used: '10',
      remaining: '0',
      source: 'plan:pro',
    } as const;
    reader.decision = { outcome: 'deny', reason: 'quota_exhausted', message: 'Used up.', ceiling };
    expect(await meter.check(ask)).toMatchObject({ outcome: 'deny', ceiling });
    const denied: unknown = await meter.checkOrThrow(ask).catch((error: unknown) => error);
    expect(denied).toBeInstanceOf(QuotaExceeded);
    expect(denied).toMatchObject({ scope: 'acme', message: 'Used up.', decision: { ceiling } });
    reader.decision = { outcome: 'deny', reason: 'policy_denied', message: 'You may not.' };
    const forbidden: unknown = await meter.checkOrThrow(ask).catch((error: unknown) => error);
    expect(forbidden).toBeInstanceOf(CheckDenied);
    expect(forbidden).not.toBeInstanceOf(QuotaExceeded);
    reader.decision = { outcome: 'warn', reason: 'quota_warning' };
    expect((await meter.checkOrThrow(ask)).outcome).toBe('warn');
  });
});

describe('who has no answer', () => {
  it('says so, with the setting; a closed meter says that it is closed', async () => {
    const mute: Adapter = {
      ...{ guarantees: { durableIn: 'log', counts: 'not_at_all' }, transport: null },
      ...{ readUsage: null, check: null, classOf: null, close: () => Promise.resolve() },
    };
    const meter = createMeter({ source: 'test', adapter: mute });
    const question = { tenantId: 'acme', product: 'p', resourceType: 'r', action: 'a' };
    const actor = { type: 'user', id: 'ann', roles: [], scopes: [] };
    expect(await errorOf(meter.getUsage(asked))).toMatchObject({
      code: 'unsupported',
      message: 'the adapter custom does not answer getUsage: name who does in usage.from',
    });
    expect(await errorOf(meter.check({ ...question, actor }))).toMatchObject({ code: 'unsupported' });
    await meter.close();
    expect(await errorOf(meter.getUsage(asked))).toMatchObject({ code: 'closed' });
  });
});
