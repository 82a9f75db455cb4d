// Verifies answers by proof (docs/spec/10 §5): loads the module, and turns statements into its bytes.

/** Hex digits of exactly so many bytes. */
function bytesOf(text, size, name) {
  if (typeof text !== "string" || text.length !== 2 * size || !/^[0-9a-f]*$/.test(text)) {
    throw new TypeError(`${name}: want ${2 * size} hex digits in lower case`);
  }
  return Uint8Array.from({ length: size }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** A whole number below 2^bits, as a number, a bigint or decimal text. */
function integerOf(value, bits, name) {
  const ok = typeof value === "bigint" || Number.isSafeInteger(value) || (typeof value === "string" && /^(0|[1-9][0-9]{0,19})$/.test(value));
  const n = ok ? BigInt(value) : -1n;
  if (n < 0n || n >= 1n << BigInt(bits)) {
    throw new TypeError(`${name}: want a whole number below 2^${bits}`);
  }
  return Uint8Array.from({ length: bits / 8 }, (_, i) => Number((n >> BigInt(bits - 8 - 8 * i)) & 255n));
}

const fields = ["game", "op", "element", "chain", "verifier", "prover", "equal", "leaves"];

/** The bytes of a statement {game, op, element, chain, verifier, prover, equal, leaves}; throws TypeError for any other shape. */
export function statementBytes(s) {
  if (typeof s !== "object" || s === null || Object.keys(s).sort().join() !== [...fields].sort().join()) {
    throw new TypeError(`a statement has the fields ${fields.join(", ")}`);
  }
  if (typeof s.equal !== "boolean") throw new TypeError("equal: want true or false");
  if (!Array.isArray(s.leaves) || s.leaves.length > 256) throw new TypeError("leaves: want a list of at most 256");
  const parts = [
    bytesOf(s.game, 32, "game"), integerOf(s.op, 8, "op"), integerOf(s.element, 64, "element"), integerOf(s.chain, 64, "chain"),
    bytesOf(s.verifier, 20, "verifier"), bytesOf(s.prover, 20, "prover"), Uint8Array.of(s.equal ? 1 : 0),
    ...s.leaves.map((leaf, i) => bytesOf(leaf, 32, `leaf ${i}`)),
  ];
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  parts.reduce((at, p) => (out.set(p, at), at + p.length), 0);
  return out;
}

/**
 * Starts a module whose support file (class Go) has run, and returns verifyProof(keyWords, statement, proof): Uint8Array, object,
 * Uint8Array. It returns "" for a proof that holds, else the reason.
 */
export async function startProof(Go, module) {
  const go = new Go();
  const instance = await WebAssembly.instantiate(module, go.importObject);
  void go.run(instance);
  const { verify } = globalThis.elenchusProof;
  return (keyWords, statement, proof) => verify(keyWords, statementBytes(statement), proof);
}
