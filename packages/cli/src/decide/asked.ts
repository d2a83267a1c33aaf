/** The question that the options ask, filled up from what the product offers. */
import { userInfo } from 'node:os';
import type { Question, RegistryState } from '@meterhouse/quota';
import { UsageError } from '../exit.ts';

export interface DecideOptions {
  readonly tenant: string;
  readonly product?: string;
  readonly resource?: string;
  readonly action?: string;
  readonly metric?: string;
  readonly unit?: string;
  readonly delta?: string;
  readonly actor?: string;
  readonly role?: readonly string[];
  readonly scope?: readonly string[];
  readonly attribute?: readonly string[];
  readonly slots?: number;
  readonly explain?: boolean;
}

/**
 * What is left out is taken from the registry where there is one choice.
 * @throws UsageError naming the choices where there are several
 */
export function questionOf(options: DecideOptions, registry: RegistryState): Question {
  const { metric } = options;
  const offers = [...registry.all('product').values()].flatMap((product) =>
    product.actions
      .filter(() => metric === undefined || product.dimensions.some((each) => each.metric === metric))
      .map(({ resourceType, action }) => ({ product: product.id, resourceType, action })),
  );
  const fitting = offers.filter(
    (offer) =>
      (options.product ?? offer.product) === offer.product &&
      (options.resource ?? offer.resourceType) === offer.resourceType &&
      (options.action ?? offer.action) === offer.action,
  );
  const named = { product: options.product, resourceType: options.resource, action: options.action };
  const chosen = fitting.length === 1 ? fitting[0] : allNamed(named);
  if (chosen === undefined)
    throw new UsageError(
      `say which with --product, --resource and --action: ${
        (fitting.length === 0 ? offers : fitting)
          .map((offer) => `${offer.product} ${offer.resourceType} ${offer.action}`)
          .join(', ') || 'no product offers it'
      }`,
    );
  const unit = options.unit ?? (metric === undefined ? undefined : registry.get('metric', metric)?.unit);
  return {
    ...chosen,
    tenantId: options.tenant,
    actor: actorOf(options),
    ...(metric === undefined
      ? {}
      : { usage: { metric, unit: unit ?? '(none)', delta: options.delta ?? '1' } }),
    ...(options.slots === undefined ? {} : { slots: options.slots }),
    attributes: Object.fromEntries((options.attribute ?? []).map(pairOf)),
  };
}

type Named = Record<'product' | 'resourceType' | 'action', string | undefined>;

function allNamed({ product, resourceType, action }: Named) {
  return product === undefined || resourceType === undefined || action === undefined
    ? undefined
    : { product, resourceType, action };
}

/** `user:ann`; without a type, a user. */
function actorOf({ actor = userInfo().username, role = [], scope = [] }: DecideOptions): Question['actor'] {
  const colon = actor.indexOf(':');
  return {
    type: colon === -1 ? 'user' : actor.slice(0, colon),
    id: actor.slice(colon + 1),
    roles: role,
    scopes: scope,
  };
}

function pairOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--attribute ${text}: write name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}
