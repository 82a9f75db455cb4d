// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title EIP-712 digests of requests, claims and moves (SPEC 07), and signature recovery
library Digests {
    /// @notice Not 65 bytes r, s, v with v of 27 or 28 and s in the lower half.
    error BadSignature(uint256 length);

    /// @dev The fields of Claim that are not times are those of ClaimCore, in the same order.
    struct Claim {
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

    struct Request {
        bytes32 model;
        bytes32 promptRoot;
        uint256 promptCount;
        uint256 maxNew;
        uint256 temperature;
        uint256 seed;
        bytes32 stopRoot;
        uint256 stopCount;
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
    bytes32 private constant CLAIM = keccak256(
        "Claim(uint16 version,address node,bytes32 requestDigest,uint32 count,uint8 finish,bytes32 stateRoot,bytes32 outputRoot,uint128 value,uint64 issued,uint64 batchBy,uint64 challengeUntil)"
    );
    bytes32 private constant CLAIM_CORE = keccak256(
        "ClaimCore(uint16 version,address node,bytes32 requestDigest,uint32 count,uint8 finish,bytes32 stateRoot,bytes32 outputRoot,uint128 value)"
    );
    bytes32 private constant MOVE = keccak256("Move(bytes32 game,bytes32 state,bytes32 payload)");

    /// @dev Half of the order of secp256k1.
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    function separator(address arena) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256("elenchus"), keccak256("1"), block.chainid, arena));
    }

    function typed(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function request(bytes32 domain, Request memory r) internal pure returns (bytes32) {
        bytes memory head = abi.encode(REQUEST, r.model, r.promptRoot, r.promptCount, r.maxNew, r.temperature, r.seed);
        bytes memory tail = abi.encode(r.stopRoot, r.stopCount, bytes32(0), r.dataClass, r.user, r.nonce, r.price);
        return typed(domain, keccak256(bytes.concat(head, tail)));
    }

    function claim(bytes32 domain, Claim memory c) internal pure returns (bytes32 digest, bytes32 id) {
        bytes memory body = abi.encode(
            uint256(1), c.node, c.requestDigest, c.count, c.finish, c.stateRoot, c.outputRoot, c.value
        );
        id = typed(domain, keccak256(abi.encodePacked(CLAIM_CORE, body)));
        digest = typed(domain, keccak256(abi.encodePacked(CLAIM, body, c.issued, c.batchBy, c.challengeUntil)));
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
