// Runs models and commits to what they did: docs/spec/05-decode.md and docs/spec/06-trace.md.
import { be, equal, InputError, sha256, utf8 } from "./bytes.js";
import { CANCELLED } from "./claim.js";
import { type Context, countOf, type DType, fromBytes, type Ints, KIND, make, sizeOf, toBytes } from "./descriptor.js";
import { elements, type Data } from "./elements.js";
import { bind, tableRoot } from "./grammar.js";
import { GRAPH, type Header, leafOf, type Model, type Op, TOKEN } from "./model.js";
import { aux, biasTable, counts, type Settings, Table, stopLens, stopTable } from "./memory.js";
import { depth, type LeafHash, leaves, nodeHash, root, rootOf, zero } from "./trees.js";

/** What a request fixes of a generation. SPEC 05 §1. */
export interface Job {
  prompt: number[];
  stop: number[];
  maxNew: number;
  temperature: number; // Q16
  seed: bigint;
  settings: Settings;
  /** Ids after which the user ended the answer; absent: never. SPEC 05 §2.5. */
  cut?: number;
}

export interface Answer {
  output: number[];
  finish: number;
  states: Uint8Array[];
  stateRoot: Uint8Array;
  outputRoot: Uint8Array;
}

/** Ids as an i32 tensor's tree. */
export function idRoot(ids: number[]): Uint8Array {
  return root(toBytes(Int32Array.from(ids)), 64);
}

/** The root over the ids of a prompt: with a salt each has a leaf of its own. SPEC 06 §3.8. */
export function promptRoot(ids: number[], salt: Uint8Array): Uint8Array {
  if (salt.length === 0) return idRoot(ids);
  const all = new Uint8Array(64 * ids.length);
  ids.forEach((id, i) => {
    const at = 4 * (i % 16);
    all.set(toBytes(Int32Array.of(id)), 64 * i + at);
    all.set(sha256(utf8("elenchus/salt/1"), salt, be(i, 4)), 64 * i + (at < 32 ? 32 : 0));
  });
  return root(all, 64);
}

/** The rows of all positions so far, and their tree. SPEC 06 §2. */
class Cache {
  private readonly rows: Int16Array[][] = []; // position, then 2 * layer + isV
  private readonly levels: Uint8Array[][] = [];
  constructor(private readonly h: Header, private readonly leaf: LeafHash) {
    for (let i = 0; i <= h.dPos; i++) this.levels.push([]);
  }
  set(pos: number, layer: number, isV: number, row: Int16Array): void {
    (this.rows[pos] ??= [])[2 * layer + isV] = row;
  }
  read(first: number, n: number): Int16Array {
    const width = 2 ** this.h.dRow * 256, leaf = Math.floor(first / width), at = first - leaf * width;
    const isV = leaf % 2, layer = Math.floor(leaf / 2) % 2 ** this.h.dLayer, pos = Math.floor(leaf / 2 ** (this.h.dLayer + 1));
    return part(this.rows[pos]?.[2 * layer + isV], 2, at, n) as Int16Array;
  }
  /** Hashes the rows of a position, which are all there, into the tree. */
  append(pos: number): void {
    const one = (row: Int16Array): Uint8Array => rootOf(leaves(toBytes(row), 512, this.leaf), this.h.dRow);
    const layers: Uint8Array[] = [];
    for (let l = 0; l < this.h.layers; l++) layers.push(nodeHash(one(this.rows[pos][2 * l]), one(this.rows[pos][2 * l + 1])));
    let level = layers, height = this.h.dRow + 1;
    for (let i = 0; i < this.h.dLayer; i++, height++) {
      const up: Uint8Array[] = [];
      for (let k = 0; k < level.length; k += 2) up.push(nodeHash(level[k], level[k + 1] ?? zero(height)));
      level = up;
    }
    this.levels[0][pos] = level[0];
    for (let i = 0, at = pos; i < this.h.dPos; i++, height++) {
      at = Math.floor(at / 2);
      const l = this.levels[i];
      this.levels[i + 1][at] = nodeHash(l[2 * at], l[2 * at + 1] ?? zero(height));
    }
  }
  root(): Uint8Array {
    return this.levels[this.h.dPos][0] ?? zero(this.h.dPos + this.h.dLayer + 1 + this.h.dRow);
  }
}

/** Elements of a source of a type; whatever a model says, no read leaves what is there. */
function part(x: Ints | undefined, type: DType, first: number, n: number): Ints {
  if (x === undefined || x.BYTES_PER_ELEMENT !== sizeOf(type) || !Number.isSafeInteger(first) || !Number.isSafeInteger(n) || first < 0 || n < 0 || first + n > x.length) {
    throw new InputError(`model: elements ${first} to ${first + n} of a source of ${x?.length ?? 0} are read`);
  }
  return x.subarray(first, first + n) as Ints;
}

/** Computes a stage from its input; the result holds all its tensors. */
function runStage(ops: Op[], c: Context, input: Ints, outside: (kind: number, type: DType, first: number, n: number) => Ints): Ints[] {
  const tensors: Ints[] = [input];
  for (let i = 1; i < ops.length; i++) {
    const o = ops[i];
    const data: Data = {
      read(kind, index, type, first, n) {
        switch (kind) {
          case KIND.tensor: return part(tensors[index], type, first, n);
          case KIND.rootA: return part(o.a?.data, type, first, n);
          case KIND.rootB: return part(o.b?.data, type, first, n);
        }
        return outside(kind, type, first, n);
      },
    };
    try {
      const n = countOf(o.d, c.t), out = make(o.d.type, n), f = elements(o.d, c, data);
      if (out instanceof BigInt64Array) for (let k = 0; k < n; k++) out[k] = f(k);
      else for (let k = 0; k < n; k++) out[k] = Number(f(k));
      tensors.push(out);
    } catch (e) {
      if (e instanceof InputError) throw e;
      throw new InputError(`model: operation ${o.d.op} with these parameters: ${e instanceof Error ? e.message : String(e)}`);
    }
  }
  return tensors;
}

/** One token model at work on one job. */
class Run {
  readonly states: Uint8Array[] = [];
  readonly output: number[] = [];
  private readonly cache: Cache;
  private readonly ids: Int32Array;
  private readonly ends: Int32Array;
  private y: number;
  private previous: Uint8Array;
  private readonly count: Table | undefined;
  private readonly bias: Table;
  private readonly strings: Int8Array;
  private readonly grammar: Int32Array;
  private stopState = 0;
  private grammarState = 0;
  finish = 0;
  constructor(private readonly m: Model, private readonly job: Job) {
    this.cache = new Cache(m.header, leafOf(m));
    this.ids = Int32Array.from(job.prompt);
    this.ends = Int32Array.from(job.stop);
    this.y = job.prompt[0];
    this.bias = biasTable(job.settings);
    this.strings = new Int8Array(stopTable(job.settings).buffer);
    this.grammar = tableOf(job, m);
    this.count = counts(job.settings) ? new Table() : undefined;
    this.count?.set(this.y, 1);
    this.previous = this.state(0, 0, new Uint8Array(32));
  }
  private state(next: number, f: number, previous: Uint8Array): Uint8Array {
    return sha256(new Uint8Array([2]), be(next, 4), be(this.y >>> 0, 4), be(f, 1), this.cache.root(), aux(this.job.settings, this.count, this.stopState, this.grammarState), previous);
  }
  private context(t: number): Context {
    const j = this.job, s = j.settings;
    return {
      t, m: j.prompt.length, yPrev: this.y, maxNew: j.maxNew, tMax: this.m.header.tMax, temperature: j.temperature, seed: j.seed,
      stopCount: j.stop.length, biased: s.bias.length > 0 ? 1 : 0, topK: s.topK, topP: s.topP, minP: s.minP,
      repetition: s.repetition, presence: s.presence, frequency: s.frequency, stopLens: stopLens(s), stopState: this.stopState,
      grammared: s.grammar === undefined ? 0 : 1, grammarState: this.grammarState,
    };
  }
  private outside(kind: number, type: DType, first: number, n: number): Ints {
    switch (kind) {
      case KIND.kv: return this.cache.read(first, n);
      case KIND.prompt: return part(this.ids, type, first, n);
      case KIND.count: return Int32Array.of(this.count?.at(first) ?? 0);
      case KIND.bias: return Int32Array.of(this.bias.at(first));
      case KIND.grammar: return Int32Array.of(this.grammar[first] ?? 0);
      case KIND.strings: return part(this.strings, type, first, n);
      case KIND.stop: return part(this.ends, type, first, n);
    }
    throw new Error(`source kind ${kind} with type ${type} is not implemented here`);
  }
  step(t: number): void {
    const { stages, header } = this.m, c = this.context(t), m = this.job.prompt.length;
    const outside = this.outside.bind(this);
    let x: Ints = Int32Array.of(this.y);
    for (let s = 0; s <= header.layers; s++) {
      const tensors = runStage(stages[s], c, x, outside);
      if (s > 0) {
        const [, k, v] = stages[s][0].d.p;
        this.cache.set(t, s - 1, 0, tensors[Number(k)] as Int16Array);
        this.cache.set(t, s - 1, 1, tensors[Number(v)] as Int16Array);
      }
      x = tensors[tensors.length - 1];
    }
    this.cache.append(t);
    const absorb = t + 1 < m, head = runStage(stages[header.layers + (absorb ? 2 : 1)], c, x, outside);
    this.y = Number(head[head.length - (absorb ? 1 : 2)][0]);
    this.finish = absorb ? 0 : Number(head[head.length - 1][0]);
    if (!absorb) {
      this.output.push(this.y);
      this.stopState = this.job.settings.strings.length > 0 ? Number(head[head.length - 3][0]) : 0;
      this.grammarState = this.job.settings.grammar !== undefined ? Number(head[head.length - 4][0]) : 0;
    }
    this.count?.set(this.y, absorb ? this.count.at(this.y) | 1 : this.count.at(this.y) + 2);
    this.previous = this.state(t + 1, this.finish, this.previous);
    this.states.push(this.previous);
  }
}

/** The token table of a job's grammar, whose root must be the one that was signed. */
function tableOf(job: Job, m: Model): Int32Array {
  const g = job.settings.grammar;
  if (g === undefined) return new Int32Array(0);
  const table = bind(g, m, job.stop);
  if (!equal(tableRoot(table), g.root)) throw new InputError("the root that was signed is not that of the grammar's table");
  return table;
}

/** Answers a job and commits to every step. emit sees each id as it is drawn. */
export function generate(m: Model, job: Job, emit?: (id: number) => void): Answer {
  if (m.header.kind !== TOKEN) throw new Error("this model computes tensors, not text");
  if (job.prompt.length < 1 || job.prompt.length > m.header.tMax || job.prompt.some((id) => id < 0 || id >= m.header.vocab)) {
    throw new RangeError(`a prompt of ${job.prompt.length} ids: want 1 to ${m.header.tMax}, each below ${m.header.vocab}`);
  }
  const run = new Run(m, job);
  for (let t = 0; run.finish === 0; t++) {
    const before = run.output.length;
    run.step(t);
    if (run.output.length > before) emit?.(run.output[before]);
    if (run.finish === 0 && run.output.length === job.cut) run.finish = CANCELLED;
  }
  return { output: run.output, finish: run.finish, states: run.states, stateRoot: rootOf(run.states, depth(run.states.length)), outputRoot: idRoot(run.output) };
}

/** Computes a graph model: its output tensor, the root of it, and the root over all boundaries. SPEC 06 §3.9. */
export function evaluate(m: Model, input: Ints): { output: Ints; outputRoot: Uint8Array; stateRoot: Uint8Array } {
  if (m.header.kind !== GRAPH) throw new Error("this model answers text");
  const c: Context = {
    t: 0, m: 0, yPrev: 0, maxNew: 0, tMax: 0, temperature: 0, seed: 0n, stopCount: 0, biased: 0,
    topK: 0, topP: 0, minP: 0, repetition: 0, presence: 0, frequency: 0, stopLens: 0, stopState: 0,
    grammared: 0, grammarState: 0,
  };
  let x = input;
  const bounds = [root(toBytes(x), 64)];
  for (const ops of m.stages) {
    const tensors = runStage(ops, c, x, (_kind, type, first, n) => part(input, type, first, n));
    x = tensors[tensors.length - 1];
    bounds.push(root(toBytes(x), 64));
  }
  return { output: x, outputRoot: bounds[bounds.length - 1], stateRoot: rootOf(bounds, depth(bounds.length)) };
}

export { fromBytes };
