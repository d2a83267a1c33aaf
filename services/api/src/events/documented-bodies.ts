/** The forms of `POST /v1/events` as its documentation shows them; what checks them is the producer. */
import { eventJsonShape } from '@meterhouse/producer';
import { z } from 'zod';
import { MAX_EVENTS } from './bounds.ts';
import { MEDIA_TYPES } from './forms.ts';

const event = eventJsonShape
  .extend({
    tenantId: eventJsonShape.shape.tenantId.optional().describe('Default: the tenant of the key.'),
    source: eventJsonShape.shape.source.describe('Who sends. Default: the id of the key.'),
    correlationId: eventJsonShape.shape.correlationId.describe('Default: that of the request.'),
  })
  .meta({
    id: 'UsageEvent',
    description:
      'A tenant used some amount of a metric at an instant. The same id always carries the same content.',
  });

const cloudEvent = z
  .looseObject({
    specversion: z.literal('1.0'),
    id: z.string().min(1).describe('With `source`, what makes it this event and no other.'),
    source: z.string().min(1).describe('A URI reference.'),
    type: eventJsonShape.shape.metric.describe('The metric.'),
    subject: z.string().optional().describe('The tenant. Default: the tenant of the key.'),
    time: z.iso.datetime({ offset: true }).optional().describe('Default: the time of receipt.'),
    datacontenttype: z.string().optional(),
    correlationid: z.string().optional(),
    data: z
      .strictObject({
        value: eventJsonShape.shape.value,
        unit: eventJsonShape.shape.unit,
        attrs: eventJsonShape.shape.attrs,
        attribution: eventJsonShape.shape.attribution,
      })
      .nullish(),
  })
  .meta({ id: 'UsageCloudEvent', description: 'A usage event as a CloudEvent 1.0.' });

export const EVENT_BODIES: Readonly<Record<string, z.ZodType>> = {
  [MEDIA_TYPES.json]: z.union([event, z.array(event).max(MAX_EVENTS)]),
  [MEDIA_TYPES.ndjson]: z.string().describe('One UsageEvent a line.'),
  [MEDIA_TYPES.cloudEvent]: cloudEvent,
  [MEDIA_TYPES.cloudEvents]: z.array(cloudEvent).max(MAX_EVENTS),
};
