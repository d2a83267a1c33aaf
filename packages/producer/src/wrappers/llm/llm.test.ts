/**
 * By shape, and with the official SDKs against a server that answers in their shape:
 *  - kinds of tokens are disjoint: their sum is what was used; cached and reasoning tokens stand apart
 *  - streams: the last usage counts, once; no usage, and a stream that was left, are told
 *  - the call's own result, stream, errors and helpers are the SDK's
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import type { UsageEventInput } from '../../event-input.ts';
import { collect } from '../collect.testing.ts';
import { withTenant } from '../../tenant-context.ts';
import type { WrapperProblem } from '../port.ts';
import { createLlmUsage, tokensOf } from './index.ts';

const CHAT_USAGE = {
  prompt_tokens: 100,
  completion_tokens: 50,
  total_tokens: 150,
  prompt_tokens_details: { cached_tokens: 30, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 20, audio_tokens: 0 },
};
const RESPONSE_USAGE = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 30, cache_write_tokens: 10 },
  output_tokens: 50,
  output_tokens_details: { reasoning_tokens: 20 },
  total_tokens: 150,
};
const CLAUDE_USAGE = {
  input_tokens: 100,
  cache_creation_input_tokens: 10,
  cache_read_input_tokens: 30,
  output_tokens: 50,
  output_tokens_details: { thinking_tokens: 20 },
};

test.each([
  [CHAT_USAGE, { input: 70, cachedInput: 30, cacheWrite: 0, output: 30, reasoning: 20 }, 150],
  [RESPONSE_USAGE, { input: 60, cachedInput: 30, cacheWrite: 10, output: 30, reasoning: 20 }, 150],
  [CLAUDE_USAGE, { input: 100, cachedInput: 30, cacheWrite: 10, output: 30, reasoning: 20 }, 190],
  [
    { prompt_tokens: 8, total_tokens: 8 },
    { input: 8, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 },
    8,
  ],
  // A part that is larger than its whole: the whole is what was used.
  [
    {
      prompt_tokens: 5,
      completion_tokens: 4,
      prompt_tokens_details: { cached_tokens: 9 },
      completion_tokens_details: { reasoning_tokens: 7 },
    },
    { input: 0, cachedInput: 5, cacheWrite: 0, output: 0, reasoning: 4 },
    9,
  ],
])('tokens of %o', (usage, tokens, total) => {
  expect(tokensOf(usage)).toEqual(tokens);
  expect(Object.values<number>({ ...tokensOf(usage) }).reduce((sum, count) => sum + count, 0)).toBe(total);
});

test.each([{}, { prompt_tokens: -1 }, { prompt_tokens: 1.5 }, { input_tokens: 'many' }, { total_tokens: 5 }])(
  'no tokens of %o',
  (usage) => {
    expect(tokensOf(usage)).toBeNull();
  },
);

function collector() {
  const events: UsageEventInput[] = [];
  const problems: WrapperProblem[] = [];
  const llm = createLlmUsage({
    meter: { add: (event) => events.push(event) > 0 },
    onProblem: (problem) => problems.push(problem),
  });
  const told = (): Record<string, unknown> => {
    const sums = Object.fromEntries(
      events.map((e) => [`${e.tenantId} ${e.attrs?.['model']} ${e.metric.slice(4)}`, e.value]),
    );
    expect(Object.keys(sums).length).toBe(events.length);
    events.length = 0;
    return sums;
  };
  return { llm, problems, told };
}

const kindsOf = (model: string, input: number, cacheWrite: number | null): Record<string, number> => ({
  [`acme ${model} input_tokens`]: input,
  [`acme ${model} cached_input_tokens`]: 30,
  ...(cacheWrite === null ? {} : { [`acme ${model} cache_write_tokens`]: cacheWrite }),
  [`acme ${model} output_tokens`]: 30,
  [`acme ${model} reasoning_tokens`]: 20,
});

const asAcme = <T>(work: () => T): T => withTenant({ tenantId: 'acme' }, work);

/** Answers by path as the APIs do; streams where it is asked to. */
async function modelServer(): Promise<string> {
  const choice = {
    index: 0,
    finish_reason: 'stop',
    logprobs: null,
    message: { role: 'assistant', content: 'hi', refusal: null },
  };
  const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'gpt' };
  const delta = { index: 0, delta: { content: 'h' }, finish_reason: null };
  const response = {
    id: 'r',
    object: 'response',
    created_at: 1,
    model: 'gpt',
    status: 'completed',
    output: [],
  };
  const message = {
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: [],
    stop_reason: null,
  };
  const plain: Record<string, object> = {
    '/chat/completions': { ...chunk, object: 'chat.completion', choices: [choice], usage: CHAT_USAGE },
    '/responses': { ...response, usage: RESPONSE_USAGE },
    '/embeddings': {
      object: 'list',
      model: 'embed',
      data: [{ object: 'embedding', index: 0, embedding: [1] }],
      usage: { prompt_tokens: 8, total_tokens: 8 },
    },
    '/v1/messages': { ...message, content: [{ type: 'text', text: 'hi' }], usage: CLAUDE_USAGE },
  };
  const streams: Record<string, object[]> = {
    '/chat/completions': [
      { ...chunk, choices: [delta], usage: null },
      { ...chunk, choices: [delta], usage: null },
      { ...chunk, choices: [], usage: CHAT_USAGE },
    ],
    '/responses': [
      {
        type: 'response.created',
        sequence_number: 0,
        response: { ...response, status: 'in_progress', usage: null },
      },
      { type: 'response.output_text.delta', sequence_number: 1, delta: 'h' },
      { type: 'response.completed', sequence_number: 2, response: { ...response, usage: RESPONSE_USAGE } },
    ],
    '/v1/messages': [
      {
        type: 'message_start',
        message: { ...message, usage: { ...CLAUDE_USAGE, output_tokens: 1, output_tokens_details: null } },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'h' } },
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn' },
        usage: { input_tokens: null, output_tokens: 50, output_tokens_details: { thinking_tokens: 20 } },
      },
      { type: 'message_stop' },
    ],
  };
  const server = createServer((request, answer) => {
    const path = request.url ?? '';
    let body = '';
    request.on('data', (chunks: Buffer) => (body += chunks.toString()));
    request.on('end', () => {
      const asked = JSON.parse(body) as { stream?: boolean; stream_options?: unknown; model: string };
      if (asked.model === 'broken') {
        answer.writeHead(400, { 'content-type': 'application/json' }).end('{"error":{"message":"no"}}');
      } else if (asked.stream !== true) {
        answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(plain[path]));
      } else {
        answer.writeHead(200, { 'content-type': 'text/event-stream' });
        const events = streams[path] ?? [];
        const sent =
          path === '/chat/completions' && asked.stream_options === undefined ? events.slice(0, 2) : events;
        for (const event of sent)
          answer.write(
            `${'type' in event ? `event: ${String(event.type)}\n` : ''}data: ${JSON.stringify(event)}\n\n`,
          );
        answer.end(path === '/v1/messages' ? '' : 'data: [DONE]\n\n');
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const MESSAGES = [{ role: 'user' as const, content: 'hello' }];

test('the OpenAI SDK: chat completions, responses and embeddings, whole and streamed', async () => {
  const { llm, problems, told } = collector();
  const client = new OpenAI({ apiKey: 'none', baseURL: await modelServer(), maxRetries: 0 });
  const { completions } = client.chat;
  const chat = llm.metered(completions.create.bind(completions));
  const answer = await asAcme(() => chat({ model: 'gpt', messages: MESSAGES }));
  expect([answer.choices[0]?.message.content, told()]).toEqual(['hi', kindsOf('gpt', 70, null)]);
  const stream = await asAcme(() =>
    chat({ model: 'gpt', messages: MESSAGES, stream: true, stream_options: { include_usage: true } }),
  );
  expect([(await collect(stream)).length, told()]).toEqual([3, kindsOf('gpt', 70, null)]);
  const respond = llm.metered(client.responses.create.bind(client.responses));
  expect((await asAcme(() => respond({ model: 'gpt', input: 'hello' }))).id).toBe('r');
  expect(told()).toEqual(kindsOf('gpt', 60, 10));
  await collect(await asAcme(() => respond({ model: 'gpt', input: 'hello', stream: true })));
  expect(told()).toEqual(kindsOf('gpt', 60, 10));
  const embed = llm.metered(client.embeddings.create.bind(client.embeddings));
  await asAcme(() => embed({ model: 'embed', input: 'hello', encoding_format: 'float' }));
  expect(told()).toEqual({ 'acme embed input_tokens': 8 });
  const raw = await asAcme(() => chat({ model: 'gpt', messages: MESSAGES }).withResponse());
  expect(raw.response.status).toBe(200);
  asAcme(() => llm.count(raw.data));
  expect([told(), problems]).toEqual([kindsOf('gpt', 70, null), []]);
});

test('the Anthropic SDK: messages, whole and streamed', async () => {
  const { llm, problems, told } = collector();
  const client = new Anthropic({ apiKey: 'none', baseURL: await modelServer(), maxRetries: 0 });
  const create = llm.metered(client.messages.create.bind(client.messages));
  const asked = { model: 'claude', max_tokens: 10, messages: MESSAGES };
  expect((await asAcme(() => create(asked))).content).toHaveLength(1);
  expect(told()).toEqual(kindsOf('claude', 100, 10));
  await collect(await asAcme(() => create({ ...asked, stream: true })));
  expect([told(), problems]).toEqual([kindsOf('claude', 100, 10), []]);
});

test('a stream without usage, and one that was left, are told; what it had said counts; errors are the SDK’s', async () => {
  const { llm, problems, told } = collector();
  const url = await modelServer();
  const openai = new OpenAI({ apiKey: 'none', baseURL: url, maxRetries: 0 });
  const { completions } = openai.chat;
  const chat = llm.metered(completions.create.bind(completions));
  await collect(await asAcme(() => chat({ model: 'gpt', messages: MESSAGES, stream: true })));
  expect([told(), problems.map(({ kind }) => kind)]).toEqual([{}, ['no_usage']]);
  const anthropic = new Anthropic({ apiKey: 'none', baseURL: url, maxRetries: 0 });
  const create = llm.metered(anthropic.messages.create.bind(anthropic.messages));
  const left = await asAcme(() =>
    create({ model: 'claude', max_tokens: 10, messages: MESSAGES, stream: true }),
  );
  for await (const event of left) if (event.type === 'content_block_delta') break;
  expect(told()).toEqual({
    'acme claude input_tokens': 100,
    'acme claude cached_input_tokens': 30,
    'acme claude cache_write_tokens': 10,
    'acme claude output_tokens': 1,
  });
  expect(problems.map(({ kind }) => kind)).toEqual(['no_usage', 'no_usage']);
  await expect(asAcme(() => chat({ model: 'broken', messages: MESSAGES }))).rejects.toBeInstanceOf(
    OpenAI.BadRequestError,
  );
  expect([told(), problems.length]).toEqual([{}, 2]);
});
