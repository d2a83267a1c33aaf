/**
 * - what is written is listed, read, and stands in the history with who and why
 * - a tenant's key sees what concerns it and what is below it, and changes nothing
 * - what is moved to another tenant under its id is gone for the one that had it
 * - a plan that cannot be is refused whole, with each reason and its field
 * - nobody raises a ceiling but the platform's admin, and the audit log says that it was privilege
 * - a change says which version it was made for; a dry run changes nothing
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { managementBed, type Bearer, type ManagementBed } from '../management.testing.ts';
import { changeAnswer, documentAnswer, documentsAnswer, historyAnswer } from './schemas.ts';

const limits = [{ metric: 'tokens', period: 'month', value: '100' }];
const tenant = (id: string, parent: string | null) => ({
  kind: 'tenant',
  document: { id, name: id, parent, class: null, plan: null, status: 'active' },
});

let bed: ManagementBed;
beforeAll(async () => {
  bed = await managementBed();
});
afterAll(() => bed.close());

const changed = (bearer: Bearer, method: string, path: string, body?: unknown) =>
  bed.done(changeAnswer, bearer, method, path, body);
async function ids(bearer: Bearer, path: string): Promise<string[]> {
  return (await bed.done(documentsAnswer, bearer, 'GET', path)).documents.map(({ id }) => id);
}
it('what is written is read again, page by page', async () => {
  expect(await ids('operator', '/v1/tenants')).toEqual(['acme', 'acme-dev', 'lumen']);
  const first = await bed.done(documentsAnswer, 'operator', 'GET', '/v1/tenants?limit=2');
  expect(first.documents.map(({ id }) => id)).toEqual(['acme', 'acme-dev']);
  expect(await ids('operator', `/v1/tenants?limit=2&cursor=${first.nextCursor ?? ''}`)).toEqual(['lumen']);
  const plan = await bed.done(documentAnswer, 'operator', 'GET', '/v1/plans/small');
  expect(plan.document).toMatchObject({ name: 'Small', limits: [{ ...limits[0], mode: 'hard' }] });
});

it('a tenant’s key sees what concerns it and what is below it, and changes nothing', async () => {
  expect(await ids('acme', '/v1/tenants')).toEqual(['acme', 'acme-dev']);
  expect(await ids('lumen', '/v1/tenants')).toEqual(['lumen']);
  expect(await ids('lumen', '/v1/metrics')).toEqual(['tokens']);
  expect(await bed.refused('acme', 'GET', '/v1/tenants/lumen')).toMatchObject({ status: 404 });
  expect(await bed.refused('acme', 'GET', '/v1/plans')).toMatchObject({ status: 403 });
  const narrow = { metric: 'tokens', period: 'month', value: '10', reason: 'less' };
  for (const bearer of ['acme', 'lumen'] as const)
    expect(await bed.refused(bearer, 'POST', '/api/admin/tenants/acme/limits', narrow)).toMatchObject({
      status: 403,
      code: 'forbidden',
    });
});

it('a refused plan names each refusal and its field, and changes nothing', async () => {
  const wrong = {
    documents: [
      tenant('orphan', 'nobody'),
      { kind: 'plan', document: { id: 'odd', name: 'Odd', limits: [{ ...limits[0], metric: 'no.such' }] } },
    ],
    reason: 'wrong',
  };
  const answer = await bed.refused('operator', 'POST', '/v1/registry/apply', wrong);
  expect(answer).toMatchObject({ status: 422, code: 'refused' });
  expect(answer.fields).toEqual([
    expect.stringMatching(/^body\.documents\.0\.document/),
    expect.stringMatching(/^body\.documents\.1\.document\.limits/),
  ]);
  expect(await ids('operator', '/v1/tenants')).not.toContain('orphan');
  const twice = { documents: [tenant('new', null), tenant('new', null)], reason: 'twice' };
  expect(await bed.refused('operator', 'POST', '/v1/registry/apply', twice)).toEqual({
    status: 400,
    code: 'invalid_request',
    fields: ['body.documents.1.document'],
  });
});

it('a limit is narrowed by an operator, and raised by the platform’s admin alone', async () => {
  const path = '/api/admin/tenants/acme-dev/limits';
  const limit = { metric: 'tokens', period: 'month', reason: 'a trial' };
  const narrowed = await changed('operator', 'POST', path, { ...limit, value: '50' });
  expect(narrowed.entries).toMatchObject([
    { id: 'acme-dev/tokens/month', change: 'created', privileged: false },
  ]);
  expect((await bed.audit())[0]).toMatchObject({
    action: 'registry.change',
    actorId: 'o',
    tenantId: 'acme-dev',
  });
  const high = { ...limit, value: '500' };
  expect(await bed.refused('operator', 'POST', path, high)).toEqual({
    status: 422,
    code: 'refused',
    fields: ['body.value'],
  });
  const raise = { ...high, raise: true };
  expect(await bed.refused('operator', 'POST', path, raise)).toMatchObject({ code: 'forbidden' });
  const raised = await changed('admin', 'POST', path, raise);
  expect(raised.entries).toMatchObject([{ change: 'changed', privileged: true }]);
  expect((await bed.audit())[0]).toMatchObject({
    action: 'registry.change.privileged',
    actorId: 'a',
    keyId: 'a',
  });
  expect(await ids('acme', '/v1/overrides')).toEqual(['acme-dev/tokens/month']);
  expect(await ids('lumen', '/v1/overrides')).toEqual([]);
});

it('a document is put and deleted with a reason, which the history keeps', async () => {
  const document = { id: 'big', name: 'Big' };
  await changed('operator', 'PUT', '/v1/plans/big', { document, reason: 'asked for' });
  expect(await bed.refused('operator', 'PUT', '/v1/plans/other', { document, reason: 'x' })).toEqual({
    status: 400,
    code: 'invalid_request',
    fields: ['body.document.id'],
  });
  await changed('operator', 'DELETE', '/v1/plans/big?reason=not%20sold');
  const read = async (cursor: string) =>
    bed.done(historyAnswer, 'operator', 'GET', `/v1/registry/history?kind=plan&id=big&limit=1${cursor}`);
  const newest = await read('');
  expect(newest.changes).toMatchObject([{ by: 'api_key:o', reason: 'not sold', after: null }]);
  const before = await read(`&cursor=${newest.nextCursor ?? ''}`);
  expect(before.changes).toMatchObject([{ by: 'api_key:o', reason: 'asked for', before: null }]);
  expect(before.nextCursor).toBeNull();
});

it('a change for another version is refused, and a dry run changes nothing', async () => {
  const body = { document: { id: 'tried', name: 'Tried' }, reason: 'a try' };
  const { version } = await changed('operator', 'PUT', '/v1/plans/tried', { ...body, dryRun: true });
  expect(await ids('operator', '/v1/plans')).toEqual(['small']);
  const old = { ...body, expectedVersion: `${Number(version) - 1}` };
  expect(await bed.refused('operator', 'PUT', '/v1/plans/tried', old)).toMatchObject({ status: 409 });
  const now = await changed('operator', 'PUT', '/v1/plans/tried', { ...body, expectedVersion: version });
  expect(Number(now.version)).toBe(Number(version) + 1);
});

it('every document’s body stands in the OpenAPI document', async () => {
  const document = z
    .object({ components: z.object({ schemas: z.looseObject({}) }) })
    .parse(await (await bed.send('operator', 'GET', '/openapi.json')).json());
  expect(Object.keys(document.components.schemas).join(' ')).toMatch(/TenantDocument.*/);
});

it('what is moved to another tenant under its id is gone for the one that had it', async () => {
  const override = (of: string) => ({
    ...{ id: 'movable', tenant: of, metric: 'tokens', period: 'day', value: '5' },
    ...{ reason: `for ${of}`, author: 'ops' },
  });
  const path = '/v1/overrides/movable';
  await changed('operator', 'PUT', path, { document: override('acme-dev'), reason: 'first' });
  expect(await ids('acme', '/v1/overrides')).toContain('movable');
  await changed('operator', 'PUT', path, { document: override('lumen'), reason: 'moved' });
  expect(await ids('acme', '/v1/overrides')).not.toContain('movable');
  expect(await bed.refused('acme', 'GET', path)).toMatchObject({ status: 404, code: 'not_found' });
  const moved = await bed.done(documentAnswer, 'lumen', 'GET', path);
  expect(moved.document).toMatchObject({ tenant: 'lumen', reason: 'for lumen' });
});
