/** A question to a gate as it comes over HTTP, and the answer. */
import { quantity, QUOTA_PERIODS, REASONS } from '@meterhouse/quota';
import { z } from 'zod';

export const MAX_QUESTIONS = 100;

const word = z.string().min(1).max(256);
const words = z.array(word).max(100);

export const question = z
  .strictObject({
    actor: z
      .strictObject({
        type: word.describe('Such as `user`, `service` or `api_key`.'),
        id: word,
        roles: words.default([]),
        scopes: words.default([]),
      })
      .describe('Who wants to do it. The service that asks vouches for this.'),
    tenantId: word.describe('The scope it is asked in: a project, department or organization.'),
    product: word,
    resourceType: word,
    action: word,
    usage: z
      .strictObject({
        metric: word,
        unit: word,
        delta: quantity.describe('What it will use: a decimal in quotes, not negative.'),
      })
      .optional()
      .describe('Left out where nothing is metered.'),
    slots: z.int().min(0).max(1_000_000_000).optional().describe('Units of the action’s capacity pool.'),
    route: word.optional().describe('As a template, never a raw path.'),
    correlationId: word.optional().describe('Default: the one of the request.'),
    attributes: z
      .record(word, z.string().max(4_096))
      .refine((all) => Object.keys(all).length <= 100, 'must have at most 100 attributes')
      .optional()
      .describe('Whatever else access rules may look at.'),
  })
  .meta({ id: 'DecisionQuestion' });
export type QuestionBody = z.output<typeof question>;

export const questions = z.strictObject({ questions: z.array(question).min(1).max(MAX_QUESTIONS) });

export const explainQuery = z.strictObject({
  explain: z
    .enum(['true', 'false'])
    .default('false')
    .describe(
      'With `steps`: each thing that was asked, its answer, and why. They name rules and limits of ' +
        'others, so only keys of the platform get them.',
    ),
});

const ceiling = z
  .object({
    scope: z.string().nullable().describe('The tenant whose ceiling it is. Null: one above your scope.'),
    metric: z.string(),
    period: z.enum(QUOTA_PERIODS),
    mode: z.enum(['hard', 'soft']),
    value: z.string().nullable().describe('Null, like the amounts below, where it is above your scope.'),
    used: z.string().nullable().describe('As of `asOf`.'),
    remaining: z.string().nullable().describe('Before what is asked for; may be negative.'),
    source: z.string().nullable().describe('The plan or override that sets it.'),
  })
  .meta({ id: 'DecisionCeiling' });

export const step = z
  .object({
    question: z.string(),
    answer: z.enum(['yes', 'no', 'warns', 'not asked']),
    because: z.string(),
  })
  .meta({ id: 'DecisionStep' });

export const decisionAnswer = z
  .object({
    outcome: z.enum(['allow', 'deny', 'warn']).describe('Of these, only `deny` refuses.'),
    reason: z.enum(REASONS).describe('Stable; what a program looks at.'),
    message: z.string().describe('Safe to show to a person.'),
    enforced: z
      .boolean()
      .describe('False: it would have been denied or warned of, were the tenant not internal.'),
    tenantId: z.string(),
    ceiling: ceiling.nullable().describe('The tightest that was met.'),
    registryVersion: z.string(),
    asOf: z.iso
      .datetime()
      .nullable()
      .describe('Up to when the usage it goes by is complete. Null: none is known.'),
    ageMs: z
      .int()
      .nullable()
      .describe('How old that is, never less than the truth. Null: nothing was heard yet.'),
    retryAfterMs: z
      .int()
      .nullable()
      .describe('When asking again may help. Null: not by waiting, or it is not known.'),
    correlationId: z.string(),
    steps: z.array(step).optional(),
  })
  .meta({ id: 'Decision' });
export type DecisionAnswer = z.input<typeof decisionAnswer>;

export const decisionsAnswer = z.object({
  decisions: z.array(decisionAnswer).describe('In the order of the questions.'),
});
