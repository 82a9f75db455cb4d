import assert from "node:assert/strict";
import test from "node:test";
import { base64url, be, concat, fromBase64url, utf8 } from "../src/bytes.js";
import { Decimal, parseJson } from "../src/json.js";
import { receipts } from "../src/ai-sdk.js";
import { EFFORTS } from "../src/reasoning.js";
import { render } from "../src/template.js";

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

test("a template that reasons prints each effort in its way", () => {
  const string = (s: string): Uint8Array => concat(be(s.length, 2), utf8(s));
  const chat = (flags: number, cut: string, generation: string): Uint8Array =>
    concat(utf8("elenchus/template/1"), be(2, 1), be(flags, 2), ...["", "", "", "u", "e", "a", "e", cut, generation].map(string), be(0, 1));
  const way = (efforts: number, t: Uint8Array): Uint8Array => concat(be(efforts, 1), be(t.length, 4), t);
  const template = concat(utf8("elenchus/template/1"), be(5, 1), be(2, 1), way(14, chat(4096, "|", "a")), way(1, chat(0, "|", "a<t></t>")), be(0, 1),
    ...["<t>", "</t>", "", "", "", ""].map(string));
  const messages = [{ role: "user", content: "q" }, { role: "assistant", content: "x|\ny" }, { role: "user", content: "r" }];
  const text = (effort: number): string => render(template, messages, effort).map((p) => p.text).join("");
  assert.equal(text(0), "uqea\nyeurea");
  assert.equal(text(EFFORTS.high), "uqea\nyeurea");
  assert.equal(text(EFFORTS.none), "uqeayeurea<t></t>");
  assert.throws(() => render(chat(0, "", "a"), messages, EFFORTS.low), /no form/);
});
