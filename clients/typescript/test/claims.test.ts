// Digests, ids and signatures of claims, as the contracts and the Go implementation make them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fromHex, hex, Reader } from "../src/bytes.js";
import { CANCELLED, cancelDigest, claimDigest, claimID, namedBy, readClaim, readRequest, requestDigest, separator, signer } from "../src/claim.js";

const vectors = JSON.parse(readFileSync(new URL("../../../../testvectors/claim/digests.json", import.meta.url), "utf8"));

test("digests of requests and claims", () => {
  for (const v of vectors) {
    const d = { chainId: BigInt(v.chainId), arena: fromHex(v.arena) };
    assert.equal(hex(separator(d)), v.separator);
    const q = new Reader(fromHex(v.request), "request"), c = new Reader(fromHex(v.claim), "claim");
    const request = readRequest(q), claim = readClaim(c);
    q.end();
    c.end();
    assert.equal(hex(requestDigest(request, d)), v.requestDigest);
    assert.equal(hex(claimDigest(claim, d)), v.claimDigest);
    assert.equal(hex(claimID(claim, d)), v.claimId);
    assert.equal(hex(signer(fromHex(v.claimDigest), fromHex(v.signature))).length, 40);
    assert.equal(hex(cancelDigest(fromHex(v.requestDigest), claim.count, d)), v.cancel);
    assert.equal(hex(namedBy({ ...claim, finish: CANCELLED }, request, d, fromHex(v.cancelledBy))), v.cancelled);
    assert.equal(hex(namedBy(claim, request, d, fromHex(v.cancelledBy))), v.requestDigest);
  }
});

test("high s and other v are refused", () => {
  const v = vectors[0], s = fromHex(v.signature);
  const other = Uint8Array.from(s);
  other[64] = 29;
  assert.throws(() => signer(fromHex(v.claimDigest), other), /27 or 28/);
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const high = (n - BigInt("0x" + hex(s.subarray(32, 64)))).toString(16).padStart(64, "0");
  const flipped = Uint8Array.from([...s.subarray(0, 32), ...fromHex(high), s[64] === 27 ? 28 : 27]);
  assert.throws(() => signer(fromHex(v.claimDigest), flipped), /high/);
});
