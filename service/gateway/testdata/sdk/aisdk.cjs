// Uses a gateway through Vercel's AI SDK: @ai-sdk/openai-compatible (chat) and @ai-sdk/openai (responses and chat).
// Arguments: base URL, API key. The gateway is the one that sdk_test.go starts.
'use strict';
const assert = require('node:assert/strict');
const { generateText, streamText, tool, jsonSchema, APICallError } = require('ai');
const { createOpenAICompatible } = require('@ai-sdk/openai-compatible');
const { createOpenAI } = require('@ai-sdk/openai');

const [baseURL, apiKey] = process.argv.slice(2);

// The receipt as metadata: the hook that the SDK has for fields of a provider's own.
const metadataExtractor = {
  extractMetadata: async ({ parsedBody }) => ({ elenchus: { receipt: parsedBody.elenchus_receipt } }),
  createStreamExtractor: () => {
    let receipt;
    return {
      processChunk: (chunk) => { receipt = chunk.elenchus_receipt ?? receipt; },
      buildMetadata: () => ({ elenchus: { receipt } }),
    };
  },
};
const compatible = createOpenAICompatible({ name: 'elenchus', baseURL, apiKey, includeUsage: true, metadataExtractor });
const openai = createOpenAI({ baseURL, apiKey });
const ask = { prompt: 'hi', temperature: 0.8, seed: 7, maxRetries: 0 };
const tools = { f: tool({ description: 'd', inputSchema: jsonSchema({ type: 'object', properties: { x: { type: 'number' } } }) }) };

async function failsWith(what, promise, status) {
  const e = await promise.then(() => assert.fail(`${what}: nothing was thrown`), (e) => e);
  assert.ok(APICallError.isInstance(e), `${what}: ${e}`);
  assert.equal(e.statusCode, status, what);
  return e;
}

// Streams report what went wrong to onError.
async function streamed(options) {
  let failure;
  const result = streamText({ ...ask, ...options, onError: ({ error }) => { failure = error; } });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  return { result, text, failure };
}

async function whole(name, model) {
  const answer = await generateText({ ...ask, model: model('toy/bytes') });
  assert.equal(answer.text, 'héllo', name);
  assert.equal(answer.finishReason, 'stop', name);
  assert.equal(answer.usage.outputTokens, 7, name);
  assert.ok(answer.response.headers['x-elenchus-receipt'], name);
  const { result, text, failure } = await streamed({ model: model('toy/bytes') });
  assert.equal(failure, undefined, name);
  assert.equal(text, 'héllo', name);
  assert.equal(await result.finishReason, 'stop', name);
  assert.equal((await result.usage).outputTokens, 7, name);
  return { answer, result };
}

async function called(name, model) {
  const answer = await generateText({ ...ask, model: model('caller'), tools });
  assert.deepEqual(answer.toolCalls.map((c) => [c.toolName, c.input]), [['f', { x: 1 }]], name);
  const { result } = await streamed({ model: model('caller'), tools });
  assert.deepEqual((await result.toolCalls).map((c) => [c.toolName, c.input]), [['f', { x: 1 }]], name);
}

(async () => {
  for (const [name, model] of [['compatible', compatible], ['chat', openai.chat], ['responses', openai.responses]]) {
    const { answer, result } = await whole(name, model);
    if (name === 'compatible') {
      const receipt = answer.response.headers['x-elenchus-receipt'];
      assert.equal(answer.providerMetadata.elenchus.receipt, receipt);
      assert.equal((await result.providerMetadata).elenchus.receipt, receipt);
    }
    await called(name, model);
    assert.equal((await failsWith(`${name}: busy`, generateText({ ...ask, model: model('busy') }), 429)).isRetryable, true);
    assert.equal((await failsWith(`${name}: no model`, generateText({ ...ask, model: model('gpt-4') }), 404)).isRetryable, false);
    const late = await streamed({ model: model('late') });
    assert.match(JSON.stringify(late.failure?.message ?? late.failure), /no node is available/, name);
  }
  const stranger = createOpenAICompatible({ name: 'elenchus', baseURL, apiKey: 'not-the-key' });
  await failsWith('wrong key', generateText({ ...ask, model: stranger('toy/bytes') }), 401);
  console.log('ok ai-sdk', require('ai/package.json').version);
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
