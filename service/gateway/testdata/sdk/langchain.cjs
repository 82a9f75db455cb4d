// Uses a gateway through @langchain/openai. Arguments: base URL, API key. The gateway is the one that sdk_test.go starts.
'use strict';
const assert = require('node:assert/strict');
const { ChatOpenAI, OpenAI } = require('@langchain/openai');
const { HumanMessage, ToolMessage } = require('@langchain/core/messages');

const [baseURL, apiKey] = process.argv.slice(2);
const chat = (model, more) => new ChatOpenAI({
  model, apiKey, temperature: 0.8, maxRetries: 0, modelKwargs: { seed: 7 }, configuration: { baseURL }, ...more,
});
const f = { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object', properties: { x: { type: 'number' } } } } };

async function collect(stream) {
  let all;
  for await (const chunk of stream) all = all ? all.concat(chunk) : chunk;
  return all;
}

async function check(name, more) {
  const model = chat('toy/bytes', more);
  const answer = await model.invoke('hi');
  assert.equal(answer.text, 'héllo', name);
  assert.equal(answer.usage_metadata.output_tokens, 7, name);
  assert.equal((await collect(await model.stream('hi'))).text, 'héllo', name);
  const caller = chat('caller', more).bindTools([f]);
  const called = await caller.invoke('hi');
  assert.deepEqual(called.tool_calls.map((c) => [c.name, c.args]), [['f', { x: 1 }]], name);
  const streamed = await collect(await caller.stream('hi'));
  assert.deepEqual(streamed.tool_calls.map((c) => [c.name, c.args]), [['f', { x: 1 }]], name);
  const back = [new HumanMessage('hi'), called, new ToolMessage({ content: 'r', tool_call_id: called.tool_calls[0].id })];
  assert.equal((await model.invoke(back)).text, 'héllo', name);
  await assert.rejects(chat('busy', more).invoke('hi'), /busy/, name);
}

(async () => {
  await check('chat', {});
  await check('responses', { useResponsesApi: true, modelKwargs: {} });
  const text = new OpenAI({ model: 'toy/bytes', apiKey, temperature: 0.8, maxRetries: 0, maxTokens: 20, configuration: { baseURL } });
  assert.equal(await text.invoke('hi'), 'héllo');
  const several = await text.generate(['a', 'b']);
  assert.deepEqual(several.generations.map((g) => g[0].text), ['héllo', 'héllo']);
  const odds = await chat('toy/bytes', { logprobs: true, topLogprobs: 1 }).invoke('hi');
  assert.equal(odds.response_metadata.logprobs.content[0].top_logprobs[0].token, 'a');
  console.log('ok langchain');
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
