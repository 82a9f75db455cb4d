// Verifies the corpus of forged proofs, and shapes that are no proof, with the module for browsers.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { args, bytes, page, support } from "./start.mjs";

const { startProof, statementBytes } = await import(pathToFileURL(join(page, "proof.js")));
const verifyProof = await startProof(support(), await WebAssembly.compile(bytes("proof.wasm")));
const corpus = JSON.parse(readFileSync(args[0], "utf8"));
const hex = (text) => Uint8Array.from(Buffer.from(text, "hex"));
const key = hex(corpus.key);
const statement = ({ name, proof, want, key: other, ...rest }) => rest;
const verdicts = corpus.cases.map((c) => verifyProof(c.key ? hex(c.key) : key, statement(c), hex(c.proof)));

const truth = corpus.cases.find((c) => c.want === "");
const [about, proof] = [statementBytes(statement(truth)), hex(truth.proof)];
const verify = globalThis.elenchusProof.verify;
const hostile = [
  verify(), verify(key), verify(key, about), verify(key, about, proof, proof), verify(null, about, proof), verify(key, undefined, proof),
  verify("key", "about", "proof"), verify({ length: 1e9 }, about, proof), verify(key, about, []), verify(key, about, new Uint8Array(1 << 20)),
  verify(new Uint8Array(1 << 24), about, proof), verify(key, new Uint8Array(1 << 24), proof), verify(key, about.slice(1), proof),
  verify(key, about, new Float64Array(256)), verify(new Uint8Array(0), new Uint8Array(0), new Uint8Array(0)), verify(key, about, Object.create(Uint8Array.prototype)),
  verify(key, about.with(89, 2), proof), verify(Symbol.iterator, 1n, NaN),
];

const good = statement(truth);
const thrown = (s) => {
  try {
    statementBytes(s);
    return "";
  } catch (e) {
    return e instanceof TypeError ? e.message : "";
  }
};
const shapes = [
  null, 7, "x", [], {}, { ...good, more: 1 }, { ...good, game: good.game.toUpperCase() + "0" }, { ...good, game: 7 }, { ...good, op: 256 }, { ...good, op: -1 },
  { ...good, op: 1.5 }, { ...good, element: "01" }, { ...good, element: 2 ** 60 }, { ...good, element: 1n << 64n }, { ...good, chain: null }, { ...good, equal: 1 },
  { ...good, leaves: {} }, { ...good, leaves: [good.leaves[0], "zz"] }, { ...good, leaves: Array(257).fill(good.leaves[0]) }, { ...good, verifier: "" },
].map(thrown);

const millis = [];
for (let i = 0; i < 12; i++) {
  const start = performance.now();
  if (verify(key, about, proof) !== "") throw new Error("the true proof was refused");
  millis.push(performance.now() - start);
}
process.stdout.write(JSON.stringify({ verdicts, hostile, shapes, millis }), () => process.exit(0));
