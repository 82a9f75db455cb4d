import assert from "node:assert/strict";
import test from "node:test";
import { base64url, fromBase64url } from "../src/bytes.js";
import { Decimal, parseJson } from "../src/json.js";
import { receipts } from "../src/ai-sdk.js";

test("base64url has one text for each byte string", () => {
  for (let n = 0; n < 7; n++) {
    const b = Uint8Array.from({ length: n }, (_, i) => 251 - 40 * i);
    assert.deepEqual(fromBase64url(base64url(b)), b);
  }
  for (const bad of ["A", "AB", "A=", "AAB", "A+"]) assert.throws(() => fromBase64url(bad), /base64url/);
});

test("numbers are read from their digits", () => {
  for (const [text, bits, want] of [["0.7", 16, 45875n], ["7e-1", 16, 45875n], ["1", 16, 65536n], ["0.9", 30, 966367642n], ["2.0", 16, 131072n]] as const) {
    assert.equal(new Decimal(text).fixed(bits), want, text);
  }
});

test("JSON is read strictly", () => {
  const v = parseJson(' {"a": [1, -2.5e3, "x\\n\\u00e9", true, null, {}], "b": {}} ');
  assert.ok(v instanceof Map && (v.get("a") as unknown[]).length === 6);
  for (const bad of ["", "{", "[1,]", '{"a":1,"a":2}', "01", "[1] 2", '"\\x"', "[".repeat(99) + "]".repeat(99)]) assert.throws(() => parseJson(bad));
});

test("the AI SDK finds receipts", async () => {
  assert.deepEqual(await receipts.extractMetadata({ parsedBody: { elenchus_receipt: "abc" } }), { elenchus: { receipt: "abc" } });
  assert.equal(await receipts.extractMetadata({ parsedBody: { choices: [] } }), undefined);
  const s = receipts.createStreamExtractor();
  s.processChunk({ choices: [] });
  s.processChunk({ elenchus_receipt: "xyz" });
  s.processChunk(null);
  assert.deepEqual(s.buildMetadata(), { elenchus: { receipt: "xyz" } });
});
