// Descriptors and the context of docs/spec/02-opset.md §1 and §2.
import { InputError, Reader } from "./bytes.js";

/** Element types by their code: i8, i16, i32, i64. SPEC 01 §1.1. */
export type DType = 1 | 2 | 3 | 4;
export type Ints = Int8Array | Int16Array | Int32Array | BigInt64Array;

export const sizeOf = (t: DType): number => 2 ** (t - 1);

export function make(t: DType, n: number): Ints {
  switch (t) {
    case 1: return new Int8Array(n);
    case 2: return new Int16Array(n);
    case 3: return new Int32Array(n);
    case 4: return new BigInt64Array(n);
  }
}

/** Little-endian elements as bytes, and back. Machines with the other order are refused. */
export function toBytes(x: Ints): Uint8Array {
  return new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
}

export function fromBytes(t: DType, b: Uint8Array): Ints {
  const out = make(t, Math.floor(b.length / sizeOf(t)));
  toBytes(out).set(b.subarray(0, out.byteLength));
  return out;
}

if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw new Error("this machine is big-endian, which is not supported");

export const KIND = { none: 0, tensor: 1, rootA: 2, rootB: 3, kv: 4, prompt: 5, stop: 6, count: 7, bias: 8, strings: 9, grammar: 10 } as const;

export interface Dim { c: number; k: number }
export interface Source { kind: number; index: number }

/** A hyperedge of a stage. */
export interface Descriptor {
  op: number;
  type: DType;
  leaf: number;
  window: number;
  dims: [Dim, Dim, Dim];
  src: Source[];
  p: bigint[];
  rootA: Uint8Array;
  rootB: Uint8Array;
  bytes: Uint8Array;
}

export const descriptorSize = 192;

export function decodeDescriptor(b: Uint8Array): Descriptor {
  const r = new Reader(b, "descriptor");
  const op = r.u8(), type = r.u8(), leaf = r.u16(), window = r.u32();
  if (type < 1 || type > 4) throw new InputError(`descriptor: element type ${type}`);
  const dim = (): Dim => ({ c: r.u32(), k: r.u32() });
  const dims: [Dim, Dim, Dim] = [dim(), dim(), dim()];
  const src = [0, 1, 2, 3].map(() => ({ kind: r.u8(), index: r.u8() }));
  const p = Array.from({ length: 11 }, () => r.i64());
  const d = { op, type: type as DType, leaf, window, dims, src, p, rootA: r.bytes(32), rootB: r.bytes(32), bytes: b };
  r.end();
  return d;
}

/** What request and state fix for every operation. SPEC 02 §2. */
export interface Context {
  t: number;
  m: number;
  yPrev: number;
  maxNew: number;
  tMax: number;
  temperature: number;
  seed: bigint;
  stopCount: number;
  biased: number;
  topK: number;
  topP: number;
  minP: number;
  repetition: number;
  presence: number;
  frequency: number;
  stopLens: number;
  stopState: number;
  grammared: number;
  grammarState: number;
}

export function decodeContext(b: Uint8Array): Context {
  const r = new Reader(b, "context");
  const t = r.u32(), m = r.u32(), yPrev = r.u32(), maxNew = r.u32(), tMax = r.u32(), temperature = r.u32();
  const seed = r.u64(), stopCount = r.u8(), biased = r.u8(), grammared = r.u8();
  r.zeros(1);
  const topK = r.u32(), topP = r.u32(), minP = r.u32(), repetition = r.u32(), presence = r.i32(), frequency = r.i32();
  const stopLens = r.u32(), stopState = r.i32(), grammarState = r.u32();
  r.zeros(8);
  r.end();
  return {
    t, m, yPrev, maxNew, tMax, temperature, seed, stopCount, biased, grammared, topK, topP, minP, repetition, presence, frequency,
    stopLens, stopState, grammarState,
  };
}

/** Number of positions attended. SPEC 02 §1.4. */
export const attended = (t: number, window: number): number => (window === 0 ? t + 1 : Math.min(t + 1, window));

export function dimOf(d: Dim, t: number, window: number): number {
  return d.k === 0 ? d.c : d.c * Math.ceil(attended(t, window) / d.k);
}

export function shapeOf(d: Descriptor, t: number): [number, number, number] {
  return [dimOf(d.dims[0], t, d.window), dimOf(d.dims[1], t, d.window), dimOf(d.dims[2], t, d.window)];
}

export function countOf(d: Descriptor, t: number): number {
  const [a, b, c] = shapeOf(d, t);
  return a * b * c;
}
