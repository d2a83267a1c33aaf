/** OpenAPI 3.1 out of the schemas that validate, and a page to read and try it. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { withExamples } from '../documentation/examples.ts';
import { ICON, LOGO } from '../documentation/logo.ts';
import { addPublicRoute, DOCUMENTATION_PATH } from './route.ts';

const DESCRIPTION = `Usage metering that can be billed on.

Send \`Authorization: Bearer KEY\`. Amounts are decimal strings, instants are RFC 3339 in UTC, errors are
\`application/problem+json\` with a stable \`code\`. Lists are read page by page with \`cursor\`.`;

const SVG = 'image/svg+xml';

const TAGS = [
  { name: 'events', description: 'Send usage.' },
  { name: 'usage', description: 'Read usage; every answer says up to when it is complete.' },
  { name: 'decisions', description: 'Ask before the work: may it, has it quota left, is there capacity.' },
  { name: 'registry', description: 'Tenants, metrics, plans, overrides, entitlements, and their history.' },
  { name: 'capacity', description: 'Pools and reservations.' },
  { name: 'quarantine', description: 'Events that could not be counted, with their reason.' },
  { name: 'webhooks', description: 'Be told of thresholds and decisions.' },
  { name: 'access', description: 'API keys and the audit log.' },
  { name: 'health', description: 'Is it up, is it ready.' },
];

/** Before the routes: what is registered later is in the document. */
export async function documentRoutes(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Meterhouse', version: '1', description: DESCRIPTION },
      tags: TAGS,
      components: {
        securitySchemes: {
          key: {
            type: 'http',
            scheme: 'bearer',
            description: 'An API key (`mh_…`), or a token of the configured OIDC issuer.',
          },
        },
      },
    },
    transform: withBodies,
    transformObject: (documented) => withExamples(jsonSchemaTransformObject(documented)),
  });
}

/** A body of several media types has one schema for each. */
const withBodies: typeof jsonSchemaTransform = (document) => {
  const transformed = jsonSchemaTransform(document);
  const bodies = document.route.config?.bodies;
  if (bodies === undefined) return transformed;
  const content = Object.fromEntries(
    Object.entries(bodies).map(([type, body]) => [
      type,
      { schema: jsonSchemaTransform({ ...document, schema: { body } }).schema.body },
    ]),
  );
  return { ...transformed, schema: { ...transformed.schema, body: { content } } };
};

/** After the routes. */
export async function serveDocumentation(app: FastifyInstance): Promise<void> {
  addPublicRoute(app, {
    method: 'GET',
    url: '/openapi.json',
    operationId: 'getOpenApi',
    tag: 'health',
    summary: 'This document',
    access: { kind: 'public' },
    answer: { status: 200, schema: z.record(z.string(), z.unknown()) },
    handle: () => Promise.resolve({ ...app.swagger() }),
  });
  await app.register(swaggerUi, {
    routePrefix: DOCUMENTATION_PATH,
    staticCSP: true,
    uiConfig: { deepLinking: true },
    logo: { type: SVG, content: LOGO },
    theme: {
      title: 'Meterhouse API',
      favicon: [{ filename: 'icon.svg', rel: 'icon', sizes: 'any', type: SVG, content: ICON }],
    },
  });
}
