// Leaves of confidential and private models: docs/spec/10-circuits.md §4.1 and §8.
import { be, concat, sha256, utf8 } from "./bytes.js";
import { constants, type Constants } from "./poseidon-constants.js";

const P = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const wordBytes = 24;

interface Permutation {
  width: number;
  full: bigint[][]; // constants of the full rounds, half before and half behind the partial ones
  partial: bigint[];
  diagonal: bigint[]; // of the inner matrix, less 1
}

/** Constants in the order in which rounds use them. */
function permutation(c: Constants): Permutation {
  const half = c.full / 2, at = (i: number): bigint => BigInt("0x" + c.keys.slice(64 * i, 64 * i + 64));
  const behind = half * c.width + c.partial;
  const round = (r: number): bigint[] => Array.from({ length: c.width }, (_, i) => at((r < half ? r * c.width : behind + (r - half) * c.width) + i));
  return {
    width: c.width, full: Array.from({ length: c.full }, (_, r) => round(r)),
    partial: Array.from({ length: c.partial }, (_, i) => at(half * c.width + i)),
    diagonal: Array.from({ length: c.width }, (_, i) => BigInt("0x" + c.diagonal.slice(64 * i, 64 * i + 64))),
  };
}

const [narrow, wide] = constants.map(permutation);

function quint(x: bigint): bigint {
  const s = (x * x) % P;
  return (((s * s) % P) * x) % P;
}

/** The outer matrix: four by four in each block of four, then each block gets the sum of all where there are several. */
function outer(s: bigint[]): void {
  for (let i = 0; i < s.length; i += 4) {
    const [a, b, c, d] = s.slice(i, i + 4);
    s[i] = (5n * a + 7n * b + c + 3n * d) % P;
    s[i + 1] = (4n * a + 6n * b + c + d) % P;
    s[i + 2] = (a + 3n * b + 5n * c + 7n * d) % P;
    s[i + 3] = (a + b + 4n * c + 6n * d) % P;
  }
  if (s.length === 4) return;
  const sums = [0n, 0n, 0n, 0n];
  s.forEach((x, i) => (sums[i % 4] += x));
  for (let i = 0; i < s.length; i++) s[i] = (s[i] + sums[i % 4]) % P;
}

function permute(p: Permutation, s: bigint[]): void {
  const full = (keys: bigint[]): void => {
    for (let i = 0; i < s.length; i++) s[i] = quint(s[i] + keys[i]);
    outer(s);
  };
  outer(s);
  p.full.slice(0, p.full.length / 2).forEach(full);
  for (const key of p.partial) {
    s[0] = quint(s[0] + key);
    let sum = 0n;
    for (const x of s) sum += x;
    for (let i = 0; i < s.length; i++) s[i] = (s[i] * p.diagonal[i] + sum) % P;
  }
  p.full.slice(p.full.length / 2).forEach(full);
}

/** The little-endian number of a word. */
function word(b: Uint8Array): bigint {
  let v = 0n;
  for (let i = b.length - 1; i >= 0; i--) v = (v << 8n) | BigInt(b[i]);
  return v;
}

/** Hash of a leaf of a confidential model. SPEC 10 §4.1. */
export function poseidonLeaf(leaf: Uint8Array): Uint8Array {
  const p = leaf.length <= 3 * wordBytes ? narrow : wide, s = new Array<bigint>(p.width).fill(0n);
  s[0] = BigInt(leaf.length);
  let at = 0;
  do {
    for (let k = 1; k < p.width && at < leaf.length; k++, at += wordBytes) s[k] = (s[k] + word(leaf.subarray(at, at + wordBytes))) % P;
    permute(p, s);
  } while (at < leaf.length);
  return be(s[1], 32);
}

/** Salt of leaf i of model tensor k; 0, 0 is that of rows and tensors of steps. SPEC 10 §8.2. */
function salt(secret: Uint8Array, k: number, i: number): Uint8Array {
  return sha256(utf8("elenchus/private/1"), secret, be(k, 4), be(i, 8)).subarray(0, wordBytes);
}

/** Hash of leaf i of model tensor k, from 1 in order of first use, of a private model. */
export const blindedLeaf = (secret: Uint8Array, k: number, i: number, leaf: Uint8Array): Uint8Array => poseidonLeaf(concat(leaf, salt(secret, k, i)));
