// SHA-256 trees of docs/spec/01-numbers.md §2.
import { equal, sha256 } from "./bytes.js";

const leafTag = new Uint8Array([0]), nodeTag = new Uint8Array([1]);

export const leafHash = (leaf: Uint8Array): Uint8Array => sha256(leafTag, leaf);
export const nodeHash = (l: Uint8Array, r: Uint8Array): Uint8Array => sha256(nodeTag, l, r);

const zeros: Uint8Array[] = [new Uint8Array(32)];

/** The absent node of a height. */
export function zero(height: number): Uint8Array {
  while (zeros.length <= height) {
    const z = zeros[zeros.length - 1];
    zeros.push(nodeHash(z, z));
  }
  return zeros[height];
}

/** ceil(log2 n), 0 for one leaf. */
export function depth(n: number): number {
  let d = 0;
  while (2 ** d < n) d++;
  return d;
}

/** Root of a tree of a depth whose first level-0 nodes are hashes. */
export function rootOf(hashes: Uint8Array[], d: number): Uint8Array {
  let level = hashes;
  for (let h = 0; h < d; h++) {
    const up: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) up.push(nodeHash(level[i], level[i + 1] ?? zero(h)));
    level = up.length > 0 ? up : [zero(h + 1)];
  }
  return level[0] ?? zero(d);
}

/** How leaf i is hashed. */
export type LeafHash = (leaf: Uint8Array, i: number) => Uint8Array;

/** Level-0 nodes of bytes in leaves, the last padded with zeros. */
export function leaves(b: Uint8Array, leafBytes: number, hash: LeafHash = leafHash): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < b.length; at += leafBytes) {
    let leaf = b.subarray(at, at + leafBytes);
    if (leaf.length < leafBytes) {
      const padded = new Uint8Array(leafBytes);
      padded.set(leaf);
      leaf = padded;
    }
    out.push(hash(leaf, out.length));
  }
  return out;
}

/** Root of the bytes of a tensor. */
export function root(b: Uint8Array, leafBytes: number, hash: LeafHash = leafHash): Uint8Array {
  const l = leaves(b, leafBytes, hash);
  return rootOf(l, depth(l.length));
}

/** Whether nodes [first, first + n) of level 0 and siblings make a root. SPEC 01 §2.4. */
export function opens(want: Uint8Array, d: number, first: number, nodes: Uint8Array[], siblings: Uint8Array[]): boolean {
  let a = first, b = first + nodes.length, level = nodes, next = 0;
  if (nodes.length === 0 || b > 2 ** d) return false;
  for (let h = 0; h < d; h++) {
    const row = [...level];
    const take = (): Uint8Array | undefined => siblings[next++];
    if (a % 2 === 1) {
      const s = take();
      if (s === undefined) return false;
      row.unshift(s);
    }
    if (b % 2 === 1) {
      const s = take();
      if (s === undefined) return false;
      row.push(s);
    }
    level = [];
    for (let i = 0; i < row.length; i += 2) level.push(nodeHash(row[i], row[i + 1]));
    a = Math.floor(a / 2);
    b = Math.ceil(b / 2);
  }
  return next === siblings.length && level.length === 1 && equal(level[0], want);
}
