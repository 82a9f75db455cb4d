// Model headers and files of docs/spec/06-trace.md §1 and docs/spec/04-model.md §5.
import { be, concat, equal, fromHex, hex, InputError, Reader, sha256 } from "./bytes.js";
import { decodeDescriptor, type Descriptor, descriptorSize, type DType, fromBytes, type Ints, KIND, sizeOf, toBytes } from "./descriptor.js";
import { blindedLeaf, poseidonLeaf } from "./poseidon.js";
import { depth, leafHash, type LeafHash, root, rootOf, zero } from "./trees.js";
import { type Program, validate } from "./validate.js";

export const TOKEN = 1, GRAPH = 2;

/** Classes of models: how leaves of weights, tensors and rows are hashed. SPEC 10 §6, §8. */
export const PUBLIC = 0, CONFIDENTIAL = 1, PRIVATE = 2;

export interface Header {
  kind: number;
  vocab: number;
  tMax: number;
  layers: number;
  dPos: number;
  dLayer: number;
  dRow: number;
  class: number;
  graph: Uint8Array;
  tokenizer: Uint8Array;
  template: Uint8Array;
  stop: Uint8Array;
  bytes: Uint8Array;
}

export interface Tensor {
  type: DType;
  dims: [number, number, number];
  data: Ints;
}

/** An operation with its model tensors. */
export interface Op {
  d: Descriptor;
  a?: Tensor;
  b?: Tensor;
}

export interface Model {
  id: string;
  name: string;
  header: Header;
  tokenizer: Uint8Array;
  template: Uint8Array;
  endIDs: number[];
  stages: Op[][];
  secret?: Uint8Array; // of a private model
}

export function decodeHeader(b: Uint8Array): Header {
  const r = new Reader(b, "model header");
  r.tag("elenchus/model/1");
  const version = r.u16(), kind = r.u16();
  if (version !== 1) r.fail(`numerics version ${version}, want 1`);
  if (kind !== TOKEN && kind !== GRAPH) r.fail(`kind ${kind}`);
  const vocab = r.u32(1 << 20, "vocabulary"), tMax = r.u32(1 << 20, "positions"), layers = r.u16();
  const dPos = r.u8(), dLayer = r.u8(), dRow = r.u8(), leaves = r.u8();
  if (layers < 1 || layers > 1024) r.fail(`${layers} layers`);
  if (leaves > PRIVATE || (kind === GRAPH && leaves !== PUBLIC)) r.fail(`class ${leaves} of kind ${kind}`);
  r.zeros(30);
  const h = { kind, vocab, tMax, layers, dPos, dLayer, dRow, class: leaves, graph: r.bytes(32), tokenizer: r.bytes(32), template: r.bytes(32), stop: r.bytes(32), bytes: b };
  r.zeros(32);
  r.end();
  const token = kind === TOKEN;
  if (token ? vocab < 1 || tMax < 2 || dPos !== depth(tMax) || dLayer !== depth(layers) || dRow > 16 : vocab + tMax + dPos + dLayer + dRow !== 0) {
    throw new InputError("model header: sizes and depths do not fit each other");
  }
  return h;
}

/** Number of stages. SPEC 06 §1.2. */
export const stagesOf = (h: Header): number => (h.kind === TOKEN ? h.layers + 3 : h.layers);

const maxTensors = 128;

function readTensor(r: Reader): Tensor {
  const type = r.u8() as DType;
  if (type < 1 || type > 4) r.fail(`element type ${type}`);
  const dims: [number, number, number] = [r.u32(), r.u32(), r.u32()];
  const n = dims[0] * dims[1] * dims[2] * sizeOf(type);
  if (n === 0 || n > r.left) r.fail(`a tensor of ${dims.join(" x ")} takes ${n} bytes, ${r.left} are left`);
  return { type, dims, data: fromBytes(type, r.bytes(n)) };
}

function readStages(r: Reader, h: Header): Op[][] {
  const tensors: (Tensor | undefined)[] = [undefined];
  for (let n = r.u32(65536, "number of tensors"); n > 0; n--) tensors.push(readTensor(r));
  const count = r.u32();
  if (count !== stagesOf(h)) r.fail(`${count} stages, the header says ${stagesOf(h)}`);
  const stages: Op[][] = [];
  for (let s = 0; s < count; s++) {
    const ops: Op[] = [];
    for (let n = r.u32(maxTensors, "number of tensors of a stage"); n > 0; n--) {
      const d = decodeDescriptor(r.bytes(descriptorSize));
      ops.push({ d, a: tensors[r.u32(tensors.length - 1)], b: tensors[r.u32(tensors.length - 1)] });
    }
    stages.push(ops);
  }
  return stages;
}

/** Bytes of a leaf of a model tensor: rows of weights have their own. SPEC 01 §2.1. */
const leafBytes = (t: Tensor): number => (t.type === 1 ? t.dims[2] : 64);

/** Root of the graph: descriptors at 128 * stage + tensor. SPEC 06 §1.3. */
export function graphRoot(stages: Op[][]): Uint8Array {
  const roots = stages.map((ops) => rootOf(ops.map((o) => leafHash(o.d.bytes)), 7));
  let level = roots, h = 7;
  for (let d = depth(stages.length); d > 0; d--, h++) {
    const up: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) up.push(sha256(new Uint8Array([1]), level[i], level[i + 1] ?? zero(h)));
    level = up;
  }
  return level[0];
}

/** Hash of the leaves of rows, and of model tensor k where it is not 0. SPEC 10 §4.1, §8.2. */
export function leafOf(m: Model, k = 0): LeafHash {
  const secret = m.secret;
  switch (m.header.class) {
    case PUBLIC: return leafHash;
    case CONFIDENTIAL: return poseidonLeaf;
  }
  if (secret === undefined) throw new InputError("model: it is private, and its secret is missing");
  return (leaf, i) => blindedLeaf(secret, k, k === 0 ? 0 : i, leaf);
}

/** Leaves that circuits take are whole blocks of 64 bytes. */
function provable(m: Model): void {
  for (const [s, ops] of m.stages.entries()) {
    for (const [i, o] of ops.entries()) {
      for (const n of [o.d.leaf, ...[o.a, o.b].map((t) => (t === undefined ? 64 : leafBytes(t)))]) {
        if (n % 64 !== 0) throw new InputError(`model: stage ${s} tensor ${i}: leaves of ${n} bytes; this class has multiples of 64`);
      }
    }
  }
}

/** Checks roots and digests against the header. */
function check(m: Model): void {
  const known = new Map<Tensor, Uint8Array>(), none = new Uint8Array(32);
  if (m.header.class !== PUBLIC) provable(m);
  const rootOfTensor = (t: Tensor | undefined): Uint8Array => {
    if (t === undefined) return none;
    let r = known.get(t); // tensors are met in order of first use
    if (r === undefined) known.set(t, (r = root(toBytes(t.data), leafBytes(t), leafOf(m, known.size + 1))));
    return r;
  };
  for (const [s, ops] of m.stages.entries()) {
    for (const [i, o] of ops.entries()) {
      const a = rootOfTensor(o.a), b = rootOfTensor(o.b);
      if (!equal(a, o.d.rootA) || !equal(b, o.d.rootB)) throw new InputError(`model: stage ${s} tensor ${i}: its weights have other roots`);
    }
  }
  const token = m.header.kind === TOKEN;
  const ends = concat(...m.endIDs.map((id) => be(id, 4).reverse()));
  if (!equal(graphRoot(m.stages), m.header.graph)) throw new InputError("model: the stages have another root than the header says");
  if (!equal(token ? sha256(m.tokenizer) : none, m.header.tokenizer)) throw new InputError("model: another tokenizer than the header says");
  if (!equal(sha256(m.template), m.header.template)) throw new InputError("model: another template than the header says");
  if (!equal(sha256(ends), m.header.stop)) throw new InputError("model: other end ids than the header says");
}

/** What the invariants of SPEC 03 §4 are about. */
export const programOf = (m: Model): Program => ({ ...m.header, token: m.header.kind === TOKEN, stages: m.stages.map((ops) => ops.map((o) => o.d)) });

/** Reads the secret of a private model as a file holds it. No error quotes any of it. SPEC 10 §8.2. */
export function parseSecret(text: string): Uint8Array {
  const digits = text.trim();
  if (!/^[0-9a-f]{64}$/.test(digits)) throw new InputError("secret: want 64 lower-case hex digits");
  return fromHex(digits);
}

/** Reads a model file and checks that its contents have the id of its header, and the invariants of validate.ts. SPEC 04 §5.
 * A private model is read with its secret of 32 bytes. */
export function openModel(b: Uint8Array, secret?: Uint8Array): Model {
  const r = new Reader(b, "model file");
  r.tag("elenchus/modelfile/1");
  const name = new TextDecoder().decode(r.blob(256, "name"));
  const header = decodeHeader(r.bytes(224));
  const tokenizer = r.blob(2 ** 28, "tokenizer"), template = r.blob(2 ** 16, "template");
  const endIDs = Array.from({ length: r.u32(64, "number of end ids") }, () => r.u32(0x7fffffff, "end id"));
  const stages = readStages(r, header);
  r.end();
  if (endIDs.some((id, i) => i > 0 && id <= endIDs[i - 1])) throw new InputError("model: end ids are not ascending");
  const m = { id: hex(sha256(header.bytes)), name, header, tokenizer, template, endIDs, stages, secret };
  if (secret !== undefined && secret.length !== 32) throw new InputError(`secret of ${secret.length} bytes, want 32`);
  check(m);
  validate(programOf(m));
  return m;
}

export { KIND };
