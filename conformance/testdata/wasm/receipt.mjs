// Describes receipts and computes their answers again with the module for browsers, pass by pass.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { args, bytes, support } from "./start.mjs";

const go = new (support())();
const instance = await WebAssembly.instantiate(await WebAssembly.compile(bytes("receipt.wasm")), go.importObject);
void go.run(instance);
const api = globalThis.elenchus;
const read = (json) => {
  const value = JSON.parse(json);
  if (value?.error !== undefined) throw new Error(value.error);
  return value;
};

// What is out of order or of another kind is refused, too.
for (const bad of [api.step(), api.result(), api.begin("x"), api.load(), api.load(7), api.load(Object.create(Uint8Array.prototype)), api.load(new Uint8Array(9)),
  api.describe(), api.describe(null), api.judge("x", "{", "{}"), api.questions(Symbol.iterator)]) {
  if (typeof JSON.parse(bad).error !== "string") throw new Error(`not refused: ${bad}`);
}

const file = new Uint8Array(readFileSync(join(args[0], "default.elm")));
const spoilt = file.slice();
spoilt[spoilt.length >> 1] ^= 1;
if (JSON.parse(api.load(spoilt)).error === undefined) throw new Error("a spoilt model file was taken");
read(api.load(file));

const out = [];
for (const text of JSON.parse(readFileSync(join(args[0], "receipts.json"), "utf8"))) {
  const one = { tokens: [] };
  out.push(one);
  try {
    one.sheet = read(api.describe(text));
    read(api.begin(text));
    for (let over = false; !over; ) {
      const news = read(api.step());
      one.tokens.push(...news.tokens);
      over = news.over;
    }
    one.result = read(api.result());
  } catch (e) {
    one.error = e.message;
  }
}
process.stdout.write(JSON.stringify(out), () => process.exit(0));
