// Templates and how answers are divided, as the Go implementation reads and divides them; secrets of private models.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { concat, fromHex, hex, InputError, utf8 } from "../src/bytes.js";
import { parseSecret } from "../src/model.js";
import { divide, EFFORTS, thoughtsOf, wayOf } from "../src/reasoning.js";
import { render } from "../src/template.js";
import { decodeTemplate } from "../src/template-read.js";
import { Tokenizer } from "../src/text.js";

const vectors = new URL("../../../../testvectors/", import.meta.url);
const load = (path: string): any => JSON.parse(readFileSync(new URL(path, vectors), "utf8"));

test("bytes that are templates, and bytes that just one rule refuses", () => {
  const list = load("templates/forms.json");
  assert.ok(list.length > 60);
  for (const v of list) {
    const read = (): unknown => decodeTemplate(fromHex(v.template));
    if (v.outcome === "template") assert.doesNotThrow(read, v.name);
    else assert.throws(read, InputError, v.name);
  }
});

test("templates that end early or are too long", () => {
  const b = fromHex(load("templates/forms.json").find((v: { name: string }) => v.name === "four ways").template);
  for (let n = 0; n < b.length; n++) assert.throws(() => decodeTemplate(b.subarray(0, n)), InputError, `${n} bytes`);
  const way = (literal: number): Uint8Array => {
    const chat = concat(utf8("elenchus/template/1"), new Uint8Array([2, 0, 0, literal >> 8, literal & 255]), new Uint8Array(literal), new Uint8Array(17));
    return concat(utf8("elenchus/template/1"), new Uint8Array([5, 1, 1, 0, 0, chat.length >> 8, chat.length & 255]), chat, fromHex("00" + "000162" + "000165" + "0000".repeat(4)));
  };
  const most = 65536 - way(0).length;
  decodeTemplate(way(most));
  assert.throws(() => decodeTemplate(way(most + 1)), InputError);
});

test("answers are divided", () => {
  for (const v of load("templates/answers.json")) {
    const t = thoughtsOf(decodeTemplate(fromHex(v.template)), v.effort === "" ? 0 : EFFORTS[v.effort]);
    assert.deepEqual(divide(t, v.text), { reasoning: v.reasoning, said: v.said }, v.name);
  }
});

test("an effort that no way has is refused", () => {
  const t = load("templates/forms.json").find((v: { name: string }) => v.name === "one way").template, messages = [{ role: "user", content: "q" }];
  assert.equal(wayOf(decodeTemplate(fromHex(t)), EFFORTS.low), undefined);
  assert.throws(() => render(fromHex(t), messages, EFFORTS.low), /no form/);
  assert.equal(render(fromHex(t), messages, EFFORTS.none).map((p) => p.text).join(""), "buqeg");
});

/** A tokenizer of pieces; with spaces put before texts. */
function tokenizer(...pieces: [number, string][]): Tokenizer {
  const u16 = (n: number): Uint8Array => new Uint8Array([n >> 8, n & 255]), none = new Uint8Array(4).fill(255);
  return new Tokenizer(concat(utf8("elenchus/tokenizer/1"), new Uint8Array([1, 4]), none, none, none, new Uint8Array([0, 0]), u16(pieces.length),
    ...pieces.map(([kind, s]) => concat(new Uint8Array([kind, 0, 0, 0, 0]), u16(utf8(s).length), utf8(s)))));
}

test("control pieces say their text where they are asked to, and stop strings go on through them", () => {
  const t = tokenizer([3, "<t>"], [3, "</t>"], [1, "\u2581a"], [1, "b"], [1, "c"]), words = ["x<t>", "</t>"];
  assert.equal(t.decode([0, 2, 1, 3], false, []), " ab");
  assert.equal(t.decode([0, 2, 1, 3], false, [], [], words), "<t> a</t>b");
  assert.equal(t.decode([0, 2, 1, 3], true, [], [], words), "<t>a</t>b");
  assert.equal(t.decode([0, 2, 1, 3], false, [], [], ["<t>"]), "<t> ab");
  assert.equal(t.decode([0, 2, 1, 3], false, [0], [], words), " a</t>b");
  for (const [ids, want] of [[[4, 0, 3, 1, 4, 0], "c<t>"], [[4, 3, 1, 4, 1], "c"], [[4, 0, 3, 1], "c<t>b</t>"]] as const) {
    assert.equal(t.decode([...ids], false, [], [utf8("bc")], words), want);
  }
});

test("no error quotes a secret", () => {
  const good = "0123456789abcdef".repeat(4), bad = [good.toUpperCase(), good.slice(1), good + "0", `0x${good}`, good.replace("7", "g"), `{"secret":"${good}"}`, ""];
  assert.equal(hex(parseSecret(`${good}\n`)), good);
  const dir = mkdtempSync(join(tmpdir(), "secret-")), file = join(dir, "secret"), model = fileURLToPath(new URL("models/tiny.elm", vectors));
  try {
    for (const text of bad) assert.throws(() => parseSecret(text), (e: Error) => e instanceof InputError && !/[0-9a-f]{4}/i.test(e.message.replace(/[a-z]{5,}/g, "")), text);
    writeFileSync(file, bad[0]);
    const r = spawnSync(process.execPath, [fileURLToPath(new URL("../src/cli.js", import.meta.url)), "--model", model, "--secret", file, file], { encoding: "utf8" });
    assert.equal(r.status, 2);
    assert.match(r.stderr, /64 lower-case hex digits/);
    assert.ok(!/0123|ABCD/i.test(r.stderr + r.stdout), r.stderr);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
