// Requests, claims and their EIP-712 digests: docs/spec/07-claim.md.
import { secp256k1 } from "@noble/curves/secp256k1";
import { be, concat, equal, hex, InputError, keccak256, Reader, utf8 } from "./bytes.js";

export interface Domain { chainId: bigint; arena: Uint8Array }

export interface Request {
  model: Uint8Array;
  promptRoot: Uint8Array;
  promptCount: number;
  maxNew: number;
  temperature: number;
  seed: bigint;
  stopRoot: Uint8Array;
  stopCount: number;
  extras: Uint8Array;
  dataClass: number;
  user: Uint8Array;
  nonce: bigint;
  price: bigint;
}

export interface Claim {
  version: number;
  node: Uint8Array;
  requestDigest: Uint8Array;
  count: number;
  finish: number;
  stateRoot: Uint8Array;
  outputRoot: Uint8Array;
  value: bigint;
  issued: bigint;
  batchBy: bigint;
  challengeUntil: bigint;
}

export function readRequest(r: Reader): Request {
  r.tag("elenchus/reqst/1");
  return {
    model: r.bytes(32), promptRoot: r.bytes(32), promptCount: r.u32(), maxNew: r.u32(), temperature: r.u32(), seed: r.u64(),
    stopRoot: r.bytes(32), stopCount: r.u8(), extras: r.bytes(32), dataClass: r.u8(), user: r.bytes(20), nonce: r.u64(), price: r.u128(),
  };
}

export function readClaim(r: Reader): Claim {
  r.tag("elenchus/claim/1");
  return {
    version: r.u16(), node: r.bytes(20), requestDigest: r.bytes(32), count: r.u32(), finish: r.u8(), stateRoot: r.bytes(32), outputRoot: r.bytes(32),
    value: r.u128(), issued: r.u64(), batchBy: r.u64(), challengeUntil: r.u64(),
  };
}

const word = (v: number | bigint): Uint8Array => be(v, 32);
const address = (a: Uint8Array): Uint8Array => concat(new Uint8Array(12), a);

function struct(type: string, ...fields: Uint8Array[]): Uint8Array {
  return keccak256(keccak256(utf8(type)), ...fields);
}

export function separator(d: Domain): Uint8Array {
  return struct("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
    keccak256(utf8("elenchus")), keccak256(utf8("1")), word(d.chainId), address(d.arena));
}

const digest = (d: Domain, s: Uint8Array): Uint8Array => keccak256(new Uint8Array([0x19, 0x01]), separator(d), s);

export function requestDigest(q: Request, d: Domain): Uint8Array {
  return digest(d, struct("Request(bytes32 model,bytes32 promptRoot,uint32 promptCount,uint32 maxNew,uint32 temperature,uint64 seed,bytes32 stopRoot,uint8 stopCount,bytes32 extras,uint8 dataClass,address user,uint64 nonce,uint128 price)",
    q.model, q.promptRoot, word(q.promptCount), word(q.maxNew), word(q.temperature), word(q.seed), q.stopRoot, word(q.stopCount), q.extras, word(q.dataClass),
    address(q.user), word(q.nonce), word(q.price)));
}

export function claimDigest(c: Claim, d: Domain): Uint8Array {
  return digest(d, struct("Claim(uint16 version,address node,bytes32 requestDigest,uint32 count,uint8 finish,bytes32 stateRoot,bytes32 outputRoot,uint128 value,uint64 issued,uint64 batchBy,uint64 challengeUntil)",
    word(c.version), address(c.node), c.requestDigest, word(c.count), word(c.finish), c.stateRoot, c.outputRoot, word(c.value), word(c.issued), word(c.batchBy), word(c.challengeUntil)));
}

/** The id under which a claim can be refuted once. SPEC 07 §4. */
export function claimID(c: Claim, d: Domain): Uint8Array {
  return digest(d, struct("ClaimCore(uint16 version,address node,bytes32 requestDigest,uint32 count,uint8 finish,bytes32 stateRoot,bytes32 outputRoot,uint128 value)",
    word(c.version), address(c.node), c.requestDigest, word(c.count), word(c.finish), c.stateRoot, c.outputRoot, word(c.value)));
}

/** Finish code of an answer that its user ended. SPEC 06 §4. */
export const CANCELLED = 5;

/** What the user of a request signs to end its answer after count ids. SPEC 07 §3.5. */
export function cancelDigest(request: Uint8Array, count: number, d: Domain): Uint8Array {
  return digest(d, struct("Cancel(bytes32 request,uint32 count)", request, word(count)));
}

/** The requestDigest that a claim on a request has: of a cancelled one it holds the user's signature too. SPEC 07 §3.5. */
export function namedBy(c: Claim, q: Request, d: Domain, cancel: Uint8Array): Uint8Array {
  const request = requestDigest(q, d);
  return c.finish === CANCELLED ? keccak256(cancelDigest(request, c.count, d), cancel) : request;
}

/** The address whose key signed a digest: 65 bytes r, s, v with v 27 or 28 and low s. */
export function signer(digest: Uint8Array, signature: Uint8Array): Uint8Array {
  const v = signature[64];
  if (signature.length !== 65 || (v !== 27 && v !== 28)) throw new InputError("signature: want 65 bytes that end in 27 or 28");
  const sig = secp256k1.Signature.fromCompact(signature.subarray(0, 64)).addRecoveryBit(v - 27);
  if (sig.hasHighS()) throw new InputError("signature: s is high");
  return keccak256(sig.recoverPublicKey(digest).toRawBytes(false).subarray(1)).subarray(12);
}

export { equal, hex };
