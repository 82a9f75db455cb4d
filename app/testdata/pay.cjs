// Pays for answers through the official client of x402 for fetch. Arguments: URL of the gateway, key of the payer, address of the token.
'use strict';
const assert = require('node:assert/strict');
const { x402Client, wrapFetchWithPayment, decodePaymentResponseHeader } = require('@x402/fetch');
const { ExactEvmScheme } = require('@x402/evm/exact/client');
const { ExactEvmSchemeV1 } = require('@x402/evm/v1');
const { privateKeyToAccount } = require('viem/accounts');

const [url, key, token] = process.argv.slice(2);
const account = privateKeyToAccount(key);
const question = (more) => ({
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'shelf', prompt: 'a', ...more }),
});

async function main() {
  const plain = await fetch(`${url}/v1/completions`, question());
  assert.equal(plain.status, 402, 'without a payment');

  // Clients pay in well-known tokens alone unless they are told of another.
  const purse = () => new x402Client().setSpendControls({
    allowedAssets: [{ network: 'eip155:84532', asset: token }, { network: 'base-sepolia', asset: token }],
  });
  const v2 = wrapFetchWithPayment(fetch, purse().register('eip155:84532', new ExactEvmScheme(account)));
  const whole = await v2(`${url}/v1/completions`, question());
  assert.equal(whole.status, 200, await whole.clone().text());
  assert.equal((await whole.json()).choices[0].text, 'b');
  const paid = decodePaymentResponseHeader(whole.headers.get('PAYMENT-RESPONSE'));
  assert.ok(paid.success);
  assert.match(paid.transaction, /^0x[0-9a-f]{64}$/);
  assert.equal(paid.network, 'eip155:84532');
  assert.equal(paid.payer.toLowerCase(), account.address.toLowerCase());

  const stream = await v2(`${url}/v1/completions`, question({ stream: true }));
  const text = await stream.text();
  const chunks = text.split('\n\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
  const last = decodePaymentResponseHeader(chunks.at(-1).elenchus_payment);
  assert.ok(last.success, text);
  assert.notEqual(last.transaction, paid.transaction);

  // A client of version 1 reads the terms from the body.
  const old = wrapFetchWithPayment(
    async (...args) => {
      const r = await fetch(...args);
      const headers = new Headers(r.headers);
      headers.delete('PAYMENT-REQUIRED');
      return new Response(r.body, { status: r.status, headers });
    },
    purse().registerV1('base-sepolia', new ExactEvmSchemeV1(account)));
  const first = await old(`${url}/v1/completions`, question());
  assert.equal(first.status, 200, await first.clone().text());
  assert.ok(decodePaymentResponseHeader(first.headers.get('X-PAYMENT-RESPONSE')).success);

  // The balance is spent: the client is told so.
  const poor = await v2(`${url}/v1/completions`, question());
  assert.equal(poor.status, 402);
  assert.equal((await poor.json()).error.code, 'insufficient_funds');
  console.log('x402: version 2 whole and streamed, version 1, no funds');
}

main().catch((e) => { console.error(e); process.exit(1); });
