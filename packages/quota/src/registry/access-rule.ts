/** A rule of the built-in engine, as data: who may (or may not) do what, where, on which condition. */
import { z } from 'zod';

/** At most so many rules, values in one list, conditions in one rule, and listed values in all rules. */
export const ACCESS_RULE_BOUNDS = { rules: 20_000, list: 100, conditions: 16, values: 400_000 } as const;

const name = z.string().min(1).max(256);
const value = z.string().max(4096);

/** An empty list would say "none" to one reader and "any" to another; leave the list out for any. */
const names = z.array(name).min(1).max(ACCESS_RULE_BOUNDS.list).readonly().optional();
const values = z.array(value).min(1).max(ACCESS_RULE_BOUNDS.list).readonly();

const condition = z
  .union(
    [
      z.strictObject({ attribute: name, equals: value }),
      z.strictObject({ attribute: name, in: values }),
      z.strictObject({ attribute: name, not: z.union([value, values]) }),
    ],
    { error: 'needs attribute and one of equals (text), in (list), not (text or list)' },
  )
  .readonly();

/**
 * Between fields all must hold, within a list any one does; a field that is left out holds for all.
 * Unknown fields are refused: `action` for `actions` would otherwise widen the rule to every action.
 *
 * `not` in an `allow` needs the attribute to be there; in a `deny` an absent attribute is none of the
 * values either. So a missing attribute never passes for one with a harmless value.
 */
export const accessRule = z
  .strictObject({
    id: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,127}$/, 'needs 1 to 128 of a-z A-Z 0-9 . _ : / -'),
    effect: z.enum(['allow', 'deny']),
    description: z.string().max(1000).optional(),
    actors: z.strictObject({ types: names, ids: names, roles: names, scopes: names }).readonly().optional(),
    products: names,
    resourceTypes: names,
    actions: names,
    /** The subtrees of these tenants. */
    tenants: names,
    when: z.array(condition).min(1).max(ACCESS_RULE_BOUNDS.conditions).readonly().optional(),
  })
  .readonly();

export type AccessRule = z.infer<typeof accessRule>;
export type AccessCondition = z.infer<typeof condition>;
