// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Packed} from "./Packed.sol";

/// @title EIP-712 digests of requests, claims and moves (SPEC 07), and signature recovery
library Digests {
    /// @notice Not 65 bytes r, s, v with v of 27 or 28 and s in the lower half.
    error BadSignature(uint256 length);

    /// @dev In memory it is the typed data itself, one word for each field: `kind` is the type's hash. The fields that are
    /// not times are those of ClaimCore, in the same order.
    struct Claim {
        bytes32 kind;
        uint256 version;
        address node;
        bytes32 requestDigest;
        uint256 count;
        uint256 finish;
        bytes32 stateRoot;
        bytes32 outputRoot;
        uint256 value;
        uint256 issued;
        uint256 batchBy;
        uint256 challengeUntil;
    }

    /// @dev Likewise.
    struct Request {
        bytes32 kind;
        bytes32 model;
        bytes32 promptRoot;
        uint256 promptCount;
        uint256 maxNew;
        uint256 temperature;
        uint256 seed;
        bytes32 stopRoot;
        uint256 stopCount;
        bytes32 extras;
        uint256 dataClass;
        address user;
        uint256 nonce;
        uint256 price;
    }

    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant REQUEST = keccak256(
        "Request(bytes32 model,bytes32 promptRoot,uint32 promptCount,uint32 maxNew,uint32 temperature,uint64 seed,bytes32 stopRoot,uint8 stopCount,bytes32 extras,uint8 dataClass,address user,uint64 nonce,uint128 price)"
    );
    bytes32 private constant SAMPLER = keccak256(
        "Sampler(uint32 topK,uint32 topP,uint32 minP,uint32 repetition,int32 presence,int32 frequency,uint32 stopLengths,bytes32 lists)"
    );
    bytes32 private constant LISTS = keccak256(
        "Lists(bytes32 biasRoot,bytes32 stopRoot,bytes32 grammarRoot,bytes32 dataRoot,uint32 dataBytes)"
    );
    /// @notice Bytes of what `lists` is of: four roots and a size.
    uint256 internal constant LISTS_SIZE = 132;
    bytes32 private constant CLAIM = keccak256(
        "Claim(uint16 version,address node,bytes32 requestDigest,uint32 count,uint8 finish,bytes32 stateRoot,bytes32 outputRoot,uint128 value,uint64 issued,uint64 batchBy,uint64 challengeUntil)"
    );
    bytes32 private constant CLAIM_CORE = keccak256(
        "ClaimCore(uint16 version,address node,bytes32 requestDigest,uint32 count,uint8 finish,bytes32 stateRoot,bytes32 outputRoot,uint128 value)"
    );
    bytes32 private constant CANCEL = keccak256("Cancel(bytes32 request,uint32 count)");
    bytes32 private constant MOVE = keccak256("Move(bytes32 game,bytes32 state,bytes32 payload)");

    /// @dev Half of the order of secp256k1.
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    function separator(address arena) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256("elenchus"), keccak256("1"), block.chainid, arena));
    }

    function typed(bytes32 domain, bytes32 structHash) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, hex"1901")
            mstore(add(p, 2), domain)
            mstore(add(p, 34), structHash)
            digest := keccak256(p, 66)
        }
    }

    /// @notice Sets the request's kind.
    function request(bytes32 domain, Request memory r) internal pure returns (bytes32) {
        r.kind = REQUEST;
        bytes32 hash;
        assembly ("memory-safe") {
            hash := keccak256(r, 448) // 14 words
        }
        return typed(domain, hash);
    }

    /// @notice What a request holds of its sampler settings (SPEC 07 §2.1).
    /// @param numbers topK, topP, minP, repetition, presence, frequency, stopLengths: 28 bytes.
    /// @param roots What `lists` gives.
    function extras(uint256 numbers, bytes32 roots) internal pure returns (bytes32 hash) {
        if (numbers == 0 && roots == 0) return 0;
        bytes32 kind = SAMPLER;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, kind)
            for { let i := 0 } lt(i, 7) { i := add(i, 1) } {
                let v := and(shr(sub(192, shl(5, i)), numbers), 0xffffffff)
                if or(eq(i, 4), eq(i, 5)) { v := signextend(3, v) } // presence, frequency
                mstore(add(p, shl(5, add(i, 1))), v)
            }
            mstore(add(p, 256), roots)
            hash := keccak256(p, 288)
        }
    }

    /// @notice What settings hold of the four roots and the size (u32) at a calldata position; a request that has none holds 0.
    function lists(uint256 pos) internal pure returns (bytes32 hash) {
        bytes32 kind = LISTS;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, kind)
            calldatacopy(add(p, 32), pos, 128)
            mstore(add(p, 160), shr(224, calldataload(add(pos, 128))))
            hash := keccak256(p, 192)
        }
    }

    /// @notice Sets the claim's kind and version.
    function claim(bytes32 domain, Claim memory c) internal pure returns (bytes32 digest, bytes32 id) {
        bytes32 hash;
        c.version = 1;
        c.kind = CLAIM_CORE;
        assembly ("memory-safe") {
            hash := keccak256(c, 288) // 9 words
        }
        id = typed(domain, hash);
        c.kind = CLAIM;
        assembly ("memory-safe") {
            hash := keccak256(c, 384) // 12 words
        }
        digest = typed(domain, hash);
    }

    /// @notice What a claim that was cancelled after `count` ids names of its request, and who signed that (SPEC 07 §3.5).
    /// @param pos Calldata position of the user's signature: r, s, v.
    /// @return named The claim's requestDigest.
    /// @return user The zero address if the 65 bytes are no signature.
    function cancelled(bytes32 domain, bytes32 request_, uint256 count, uint256 pos)
        internal
        pure
        returns (bytes32 named, address user)
    {
        bytes32 digest = typed(domain, keccak256(abi.encode(CANCEL, request_, count)));
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, digest)
            calldatacopy(add(p, 32), pos, 65)
            named := keccak256(p, 97)
        }
        (bytes32 r, bytes32 s, uint256 v) = (Packed.word(pos), Packed.word(pos + 32), Packed.uintAt(pos + 64, 1));
        if ((v == 27 || v == 28) && uint256(s) <= HALF_ORDER) user = ecrecover(digest, uint8(v), r, s);
    }

    function move(bytes32 domain, bytes32 game, bytes32 state, bytes32 payload) internal pure returns (bytes32) {
        return typed(domain, keccak256(abi.encode(MOVE, game, state, payload)));
    }

    /// @notice The signer of 65 bytes r, s, v; never the zero address.
    function recover(bytes32 digest, bytes32 r, bytes32 s, uint256 v) internal pure returns (address signer) {
        if (v != 27 && v != 28) revert BadSignature(65);
        if (uint256(s) > HALF_ORDER) revert BadSignature(65);
        signer = ecrecover(digest, uint8(v), r, s);
        if (signer == address(0)) revert BadSignature(65);
    }
}
