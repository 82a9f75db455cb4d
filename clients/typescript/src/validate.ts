// Invariants of programs, docs/spec/03-graph.md §4, as far as a reader needs them: whatever a model file says, what it makes
// a reader compute has known stages, known types and bounded size. All but G19 and G20, which bound numbers and answers: what passes is
// computed here with integers of any size, and answered by nobody.
import { chain, norms, thresholds } from "./chains.js";
import { equal, InputError } from "./bytes.js";
import { type Descriptor, type Dim, dimOf, KIND, sizeOf } from "./descriptor.js";
import { knows } from "./elements.js";
import { fanIn, relations, signature, signed, type Size, weightLeaves } from "./signatures.js";
import { depth } from "./trees.js";

/** The stages of a model and the limits of its header. */
export interface Program {
  token: boolean;
  vocab: number;
  tMax: number;
  layers: number;
  dLayer: number;
  dRow: number;
  stages: Descriptor[][];
}

/** Bounds of this implementation, beyond the spec's: bytes of a stage's tensors at the first and at the last position. */
const mostFixed = 2 ** 28, mostGrown = 2 ** 31;

const input = 0;

interface Stage { p: Program; n: number; ds: Descriptor[] }

const isLayer = (s: Stage): boolean => s.p.token && s.n >= 1 && s.n <= s.p.layers;
const isEmit = (s: Stage): boolean => s.p.token && s.n === s.p.layers + 1;
const isAbsorb = (s: Stage): boolean => s.p.token && s.n === s.p.layers + 2;
const grows = (d: Descriptor): number => d.dims.filter((x) => x.k !== 0).length;

/** A rule says what is wrong, or "". Rules are checked in order, each over all stages. */
type Rule = (s: Stage) => string;

/** The first fault of the tensors of a stage. */
const each = (f: (d: Descriptor, i: number, s: Stage) => string): Rule => (s) => {
  for (const [i, d] of s.ds.entries()) {
    const why = f(d, i, s);
    if (why !== "") return `tensor ${i} (operation ${d.op}): ${why}`;
  }
  return "";
};

/** The same, but for the input. */
const made = (f: (d: Descriptor, i: number, s: Stage) => string): Rule => each((d, i, s) => (i === 0 ? "" : f(d, i, s)));

const canonical = (d: Descriptor): string => {
  if (d.dims.some((x) => x.c < 1 || x.c >= 2 ** 31 || x.k >= 2 ** 31)) return "a dim outside its range";
  if (d.src.some((x) => x.kind > KIND.grammar || (x.kind !== KIND.tensor && x.index !== 0))) return "a source of no kind";
  return "";
};

const target = (d: Descriptor): string => (signature(d).targets.includes(d.type) ? "" : `it makes no elements of type ${d.type}`);

/** The kinds of the sources, no more and no fewer, and no root that none of them uses. */
const sources = (d: Descriptor): string => {
  const { operands } = signature(d);
  for (const [k, { kind }] of d.src.entries()) {
    const o = operands[k];
    if (!(o?.kinds.includes(kind) ?? false) && !(kind === KIND.none && (o === undefined || o.optional))) return `source ${k} is of kind ${kind}`;
  }
  const spare = (root: Uint8Array, kind: number): boolean => root.some((x) => x !== 0) && !d.src.some((x) => x.kind === kind);
  return spare(d.rootA, KIND.rootA) || spare(d.rootB, KIND.rootB) ? "a root that no source uses" : "";
};

const dims = (d: Descriptor): string => {
  const want = signature(d).dims;
  return d.dims.every((x, i) => x.c === want[i].c && x.k === want[i].k) ? "" : `dims ${JSON.stringify(d.dims)}, its parameters give ${JSON.stringify(want)}`;
};

const positions = (s: Stage): number => (s.p.token ? s.p.tMax : 1);

/** A size as a text; one that never changes as its number. */
const settled = (x: Size, tMax: number): string => (x.k === 0 || (x.w === 0 ? tMax : Math.min(x.w, tMax)) <= x.k ? `${x.c}` : `${x.c} * ${x.w}/${x.k}`);

/** Type, size and leaves of the tensors that an operation reads. */
const shapes = (d: Descriptor, _i: number, s: Stage): string => {
  for (const [k, o] of signature(d).operands.entries()) {
    const src = d.src[k], x = s.ds[src.index];
    if (src.kind !== KIND.tensor || o.types.length === 0) continue;
    const grown = x.dims.filter((m) => m.k !== 0), have: Size = { c: x.dims.reduce((n, m) => n * m.c, 1), k: grown[0]?.k ?? 0, w: grown.length > 0 ? x.window : 0 };
    if (grown.length > 1 || settled(have, positions(s)) !== settled(o.size, positions(s)) || !o.types.includes(x.type)) return `source ${k} is not of the type and size that it reads`;
    if (x.leaf !== o.leaf) return `source ${k} has leaves of ${x.leaf} bytes`;
  }
  return "";
};

const parameters = (d: Descriptor): string => {
  const { params } = signature(d);
  for (const [k, v] of d.p.entries()) {
    const span = k < params.length ? params[k] : ([0, 0] as const);
    if (span !== null && (v < BigInt(span[0]) || v > BigInt(span[1]))) return `p${k} is ${v}, outside ${span[0]}..${span[1]}`;
  }
  return relations(d);
};

const size = (d: Descriptor, t: number): number => d.dims.reduce((n, x: Dim) => n * dimOf(x, t, d.window), 1);

const sizes: Rule = (s) => {
  const last = s.p.token ? s.p.tMax : 1;
  let fixed = 0, grown = 0;
  for (const [i, d] of s.ds.entries()) {
    if (size(d, last - 1) > 2 ** 32 || size(d, 0) > 2 ** 32) return `tensor ${i} has more than 2^32 elements`;
    if (grows(d) > 1 || (grows(d) === 1 && (!isLayer(s) || i === 0))) return `tensor ${i} grows where it may not`;
    if (d.window > last || (d.window !== 0 && d.dims[2].k === 0)) return `tensor ${i} has a window of ${d.window}`;
    fixed += size(d, 0) * sizeOf(d.type);
    grown += size(d, last - 1) * sizeOf(d.type);
  }
  return fixed > mostFixed || grown > mostGrown ? `tensors of ${fixed} to ${grown} bytes are more than this implementation holds` : "";
};

const plainDims = (d: Descriptor): boolean => d.dims[0].c === 1 && d.dims[1].c === 1 && grows(d) === 0;

const rows: Rule = (s) => {
  const { p } = s.ds[0];
  if (!isLayer(s)) return p[1] !== 0n || p[2] !== 0n ? "K and V rows outside of a layer" : "";
  const [k, v] = [Number(p[1]), Number(p[2])], n = s.ds.length;
  if (k < 1 || v < 1 || k >= n || v >= n || k === v) return `K and V rows are tensors ${k} and ${v} of ${n}`;
  const width = s.ds[k].dims[2].c;
  for (const d of [s.ds[k], s.ds[v]]) {
    if (d.type !== 2 || !plainDims(d) || d.dims[2].c !== width) return "a K or V row is no i16 row of the width";
  }
  if (depth(Math.ceil((2 * width) / 512)) !== s.p.dRow || width !== s.p.stages[1][Number(s.p.stages[1][0].p[1])]?.dims[2].c) return `rows of ${width} do not fit the header`;
  return cacheReads(s, width);
};

/** Score, transpose and mix read the rows of their own layer. SPEC 02 §4.2. */
function cacheReads(s: Stage, width: number): string {
  const [score, transpose, mix] = [18, 20, 21], depths = BigInt(depth(s.p.tMax) * 2 ** 16 + s.p.dLayer * 2 ** 8 + s.p.dRow);
  for (const [i, d] of s.ds.entries()) {
    if (d.op === mix && s.ds[d.src[1].index].op !== transpose) return `tensor ${i} mixes what is not the transposed V rows`;
    if (d.op !== score && d.op !== transpose) continue;
    if (BigInt(d.src[1].index) !== s.ds[0].p[d.op === score ? 1 : 2]) return `tensor ${i} reads another row than the stage declares`;
    if (d.p[4] !== BigInt(s.n - 1) || d.p[5] !== BigInt(width) || d.p[7] !== depths) return `tensor ${i} reads other rows than its layer's`;
  }
  return "";
}

const emitOnly: number[] = [KIND.stop, KIND.count, KIND.bias, KIND.strings, KIND.grammar];

/** Operations that stand in EMIT alone: temper, draw, token, penalise, rank to grammar_state. */
const emits = (op: number): boolean => [23, 24, 26, 29, 30, 31, 32, 33, 34, 35, 36].includes(op);

/** Whether an operation marks the rows of the list of ids that a graph model takes. */
const marks = (d: Descriptor, s: Stage): boolean => {
  const first = s.p.stages[0][0];
  return !s.p.token && d.op === 90 && first.type === 3 && first.leaf === 64 && plainDims(first) && BigInt(first.dims[2].c) === d.p[0];
};

/** Which stages see which part of state and request. */
const state = made((d, _i, s) => {
  for (const { kind } of d.src) {
    if (kind === KIND.kv && !isLayer(s)) return "reads the KV tree outside of a layer";
    if (emitOnly.includes(kind) && !isEmit(s)) return "reads a part of the state that only EMIT has";
    if (kind === KIND.prompt && !isAbsorb(s) && !marks(d, s)) return "reads the prompt outside of ABSORB";
  }
  if ([1, 53, 72].includes(d.op) && (!s.p.token || s.n !== 0)) return "embeds or places a token outside of stage 0";
  if (d.op === 17 && (!isLayer(s) || d.p[5] !== BigInt(s.p.tMax))) return "turns by other positions than a layer's";
  return emits(d.op) && !isEmit(s) ? "stands outside of EMIT" : "";
});

const last = (ds: Descriptor[], back = 1): Descriptor => ds[ds.length - back];
const sameType = (a: Descriptor, b: Descriptor): boolean => a.type === b.type && a.dims.every((x, i) => x.c === b.dims[i].c && x.k === b.dims[i].k);

const interfaces: Rule = (s) => {
  const first = s.ds[0], { p, n } = s;
  if (first.src.some((x) => x.kind !== KIND.none) || first.rootA.some((x) => x !== 0) || first.rootB.some((x) => x !== 0) || first.p.slice(3).some((x) => x !== 0n)) {
    return "the input has sources, roots or parameters";
  }
  if (n === 0) return p.token && (first.type !== 3 || !plainDims(first) || first.dims[2].c !== 1) ? "the input of stage 0 is not one id" : "";
  const before = isAbsorb(s) ? p.layers : n - 1;
  return sameType(first, last(p.stages[before])) ? "" : `its input is not what stage ${before} gives`;
};

/** The last four tensors of EMIT: the states of grammar and strings after a token, the token once more, its finish code with both. */
function ends(s: Stage): string {
  const n = s.ds.length, [grammar, strings, y, f] = s.ds.slice(-4), vocab = BigInt(s.p.vocab);
  if (n < 6 || grammar.op !== 36 || strings.op !== 34 || y.op !== 26 || f.op !== 27) return "EMIT does not end in grammar_state, stop_state, token and stop";
  if (f.src[0].index !== n - 2 || f.src[2].index !== n - 3 || f.src[3].index !== n - 4) return "the finish code is of another token or state";
  for (const d of [grammar, strings]) {
    const over = d.src[0].index;
    if (over >= n - 4 || !equal(s.ds[over].bytes, y.bytes) || d.p[0] !== vocab) return `operation ${d.op} is not over the token of this vocabulary`;
  }
  const logits = chain(s.ds, y.src[0].index, 5, 3), drawn = s.ds[y.src[2].index];
  if (logits < 0 || !plainDims(s.ds[logits]) || s.ds[logits].dims[2].c !== s.p.vocab) return `the greedy key is not over ${s.p.vocab} logits`;
  return drawn.op === 25 && drawn.p[0] === vocab ? "" : `the drawn index is not one of ${s.p.vocab}`;
}

/** What becomes y and f is made by the operations that hold them inside the vocabulary and the finish codes. */
const token: Rule = (s) => (isEmit(s) ? ends(s) : isAbsorb(s) && last(s.ds).op !== 28 ? "ABSORB does not end in prompt" : "");

const invariants: [string, Rule][] = [
  ["G1", (s) => (s.ds.length < 2 || s.ds.length > 128 || s.ds[0].p[0] !== BigInt(s.ds.length) ? `${s.ds.length} tensors, the input declares ${s.ds[0]?.p[0]}` : "")],
  ["G2", each(canonical)],
  ["G3", each((d, i) => ((d.op === input) === (i === 0) && (i === 0 || (knows(d.op) && signed(d.op))) ? "" : "stands where it may not"))],
  ["G4", made(target)],
  ["G5", made(sources)],
  ["G6", made((d, i) => (d.src.some((x) => x.kind === KIND.tensor && x.index >= i) ? "a source that is not made before" : ""))],
  ["G7", made(dims)],
  ["G8", made(shapes)],
  ["G9", sizes],
  ["G10", made(parameters)],
  ["G11", made(fanIn)],
  ["G12", made(weightLeaves)],
  ["G13", each((d, i, s) => (d.leaf === (isLayer(s) && i > 0 && [s.ds[0].p[1], s.ds[0].p[2]].includes(BigInt(i)) ? 512 : 64) ? "" : `leaves of ${d.leaf} bytes`))],
  ["G14", rows],
  ["G15", state],
  ["G16", interfaces],
  ["G17", token],
  ["G18", made((d, _i, s) => norms(d, s.ds))],
  ["G21", made((d, _i, s) => thresholds(d, s.ds))],
];

/** Refuses programs that violate an invariant that is checked here; the first in the spec's order names the error. */
export function validate(p: Program): void {
  const want = p.layers + (p.token ? 3 : 0);
  if (p.stages.length !== want || p.layers < 1 || p.layers > 1024) throw new InputError(`model: G1: ${p.stages.length} stages for ${p.layers} layers`);
  for (const [name, rule] of invariants) {
    for (const [n, ds] of p.stages.entries()) {
      const why = rule({ p, n, ds });
      if (why !== "") throw new InputError(`model: ${name}: stage ${n}: ${why}`);
    }
  }
}
