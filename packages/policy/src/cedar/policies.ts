/** Cedar text to policies by id, refused where it is not wholly understood. */
import {
  policySetTextToParts,
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  validate,
  type DetailedError,
} from '@cedar-policy/cedar-wasm/nodejs';

/** Characters of policy text, and of schema text. */
const CEDAR_TEXT_BOUND = 1_000_000;

/** The policies or the schema cannot be taken; the message says where and why. */
export class CedarPoliciesError extends Error {
  constructor(field: 'policies' | 'schema' | 'engines', problem: string) {
    super(`${field}: ${problem}`);
    this.name = 'CedarPoliciesError';
  }
}

export type PoliciesById = Readonly<Record<string, string>>;

/** @throws CedarPoliciesError */
export function readPolicies(text: string): PoliciesById {
  checkSize('policies', text);
  const parts = policySetTextToParts(text);
  if (parts.type === 'failure') throw new CedarPoliciesError('policies', messagesOf(parts.errors));
  if (parts.policy_templates.length > 0)
    throw new CedarPoliciesError('policies', 'templates are not supported, link them to policies first');
  const policies = new Map<string, string>();
  for (const policy of parts.policies) {
    const id = idOf(policy);
    if (policies.has(id)) throw new CedarPoliciesError('policies', `two policies have @id("${id}")`);
    policies.set(id, policy);
  }
  return Object.fromEntries(policies);
}

/**
 * Parses policies and schema into Cedar's memory under the slot's name.
 * @throws CedarPoliciesError also where the schema says that a policy can fail
 */
export function load(slot: string, policies: PoliciesById, schema: string | null): void {
  const parsed = preparsePolicySet(slot, { staticPolicies: policies });
  if (parsed.type === 'failure') throw new CedarPoliciesError('policies', messagesOf(parsed.errors));
  if (schema === null) return;
  checkSize('schema', schema);
  const parsedSchema = preparseSchema(slot, schema);
  if (parsedSchema.type === 'failure')
    throw new CedarPoliciesError('schema', messagesOf(parsedSchema.errors));
  const validated = validate({ schema, policies: { staticPolicies: policies } });
  if (validated.type === 'failure') throw new CedarPoliciesError('policies', messagesOf(validated.errors));
  if (validated.validationErrors.length > 0)
    throw new CedarPoliciesError(
      'policies',
      messagesOf(validated.validationErrors.map(({ error }) => error)),
    );
}

/** A verdict names rules by id; Cedar's own numbers would change with the order of the text. */
function idOf(policy: string): string {
  const read = policyToJson(policy);
  if (read.type === 'failure') throw new CedarPoliciesError('policies', messagesOf(read.errors));
  const id = read.json.annotations?.['id'];
  if (id === undefined || id === '')
    throw new CedarPoliciesError('policies', `@id is missing in ${policy.slice(0, 80)}`);
  return id;
}

function checkSize(field: 'policies' | 'schema', text: string): void {
  if (text.length > CEDAR_TEXT_BOUND)
    throw new CedarPoliciesError(field, `${text.length} characters, at most ${CEDAR_TEXT_BOUND}`);
}

function messagesOf(errors: readonly DetailedError[]): string {
  return errors.map(({ message }) => message).join('; ');
}
