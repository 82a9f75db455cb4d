// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Fields of a descriptor and of a context, read from calldata (SPEC 02 §1, §2)
/// @dev The descriptor is 192 bytes and the context 80; `requireLengths` is to be called once before the rest.
library Descriptors {
    /// @notice A descriptor or context has the wrong length.
    error WrongLength(uint256 descriptor, uint256 context);
    /// @notice A dim of the target is zero, its type none of 1..4, its leafBytes 0, or it exceeds 2^64 - 1 bytes.
    error BadTarget();

    uint256 internal constant LENGTH = 192;
    uint256 internal constant CONTEXT_LENGTH = 80;

    /// @notice Source kinds (§1.2).
    uint8 internal constant NONE = 0;
    uint8 internal constant TENSOR = 1;
    uint8 internal constant MODEL_A = 2;
    uint8 internal constant MODEL_B = 3;
    uint8 internal constant KV = 4;
    uint8 internal constant PROMPT = 5;
    uint8 internal constant STOP = 6;
    uint8 internal constant COUNTS = 7;
    uint8 internal constant BIAS = 8;
    uint8 internal constant STRINGS = 9;
    uint8 internal constant GRAMMAR = 10;

    function requireLengths(bytes calldata d, bytes calldata context) internal pure {
        if (d.length != LENGTH || context.length != CONTEXT_LENGTH) revert WrongLength(d.length, context.length);
    }

    /// @notice Geometry of the target (§1.1): bytes before padding, leaf size, element type. Checks the lengths.
    function target(bytes calldata d, bytes calldata context)
        internal
        pure
        returns (uint64 totalBytes, uint32 leafBytes, uint8 dtype)
    {
        requireLengths(d, context);
        (uint256 a, uint256 b, uint256 c) = dims(d, time(context));
        uint256 total = a * b * c;
        dtype = elementType(d);
        leafBytes = uint32(leafSize(d));
        if (dtype == 0 || dtype > 4 || leafBytes == 0 || total >= (uint256(1) << 60)) revert BadTarget();
        totalBytes = uint64(total << (dtype - 1));
    }

    function op(bytes calldata d) internal pure returns (uint8) {
        return uint8(d[0]);
    }

    function elementType(bytes calldata d) internal pure returns (uint8) {
        return uint8(d[1]);
    }

    function leafSize(bytes calldata d) internal pure returns (uint256 v) {
        assembly ("memory-safe") {
            v := shr(240, calldataload(add(d.offset, 2)))
        }
    }

    /// @notice W; 0 means none.
    function window(bytes calldata d) internal pure returns (uint256 v) {
        assembly ("memory-safe") {
            v := shr(224, calldataload(add(d.offset, 4)))
        }
    }

    /// @notice len(t), the number of positions attended (§1.4).
    function attended(bytes calldata d, uint256 t) internal pure returns (uint256) {
        uint256 w = window(d);
        return w != 0 && w < t + 1 ? w : t + 1;
    }

    /// @notice The three dims at time t; none is zero.
    function dims(bytes calldata d, uint256 t) internal pure returns (uint256 a, uint256 b, uint256 c) {
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(add(d.offset, 8))
        }
        uint256 len = attended(d, t);
        a = extent((word >> 224) & 0xffffffff, (word >> 192) & 0xffffffff, len);
        b = extent((word >> 160) & 0xffffffff, (word >> 128) & 0xffffffff, len);
        c = extent((word >> 96) & 0xffffffff, (word >> 64) & 0xffffffff, len);
        if (a == 0 || b == 0 || c == 0) revert BadTarget();
    }

    /// @notice c for k = 0, else c * ceil(len / k).
    function extent(uint256 c, uint256 k, uint256 len) internal pure returns (uint256) {
        return k == 0 ? c : c * ((len + k - 1) / k);
    }

    /// @notice Kind and tensor index of source i < 4.
    function source(bytes calldata d, uint256 i) internal pure returns (uint8 kind, uint8 index) {
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(add(d.offset, add(32, shl(1, i))))
        }
        kind = uint8(word >> 248);
        index = uint8(word >> 240);
    }

    /// @notice Parameter i < 11.
    function param(bytes calldata d, uint256 i) internal pure returns (int256 v) {
        assembly ("memory-safe") {
            v := sar(192, calldataload(add(d.offset, add(40, shl(3, i)))))
        }
    }

    function rootA(bytes calldata d) internal pure returns (bytes32 v) {
        assembly ("memory-safe") {
            v := calldataload(add(d.offset, 128))
        }
    }

    function rootB(bytes calldata d) internal pure returns (bytes32 v) {
        assembly ("memory-safe") {
            v := calldataload(add(d.offset, 160))
        }
    }

    /// @notice Context: t.
    function time(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 0);
    }

    /// @notice Context: m, the prompt's length.
    function promptCount(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 4);
    }

    /// @notice Context: y_{t-1}.
    function previousToken(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 8);
    }

    function maxNew(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 12);
    }

    function tMax(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 16);
    }

    function temperature(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 20);
    }

    function seed(bytes calldata c) internal pure returns (uint64 v) {
        assembly ("memory-safe") {
            v := shr(192, calldataload(add(c.offset, 24)))
        }
    }

    function stopCount(bytes calldata c) internal pure returns (uint256) {
        return uint8(c[32]);
    }

    /// @notice Context: how many tokens top-k keeps, 0 for all.
    function topK(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 36);
    }

    /// @notice Context: the fraction of the weight that top-p keeps, Q30, 0 for all.
    function topP(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 40);
    }

    /// @notice Context: the least weight that min-p keeps, Q30.
    function minP(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 44);
    }

    /// @notice Context: lengths of the four stop strings in bytes, the first in the lowest byte.
    function stopLengths(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 60);
    }

    /// @notice Context: state of the stop strings before the step.
    function stopState(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 64);
    }

    /// @notice Context: state of the grammar before the step.
    function grammarState(bytes calldata c) internal pure returns (uint256) {
        return _u32(c, 68);
    }

    /// @notice Context: whether the request has a grammar.
    function grammared(bytes calldata c) internal pure returns (bool) {
        return uint8(c[34]) == 1;
    }

    /// @notice Context: whether the request has a bias tree.
    function biased(bytes calldata c) internal pure returns (bool) {
        return uint8(c[33]) == 1;
    }

    /// @notice Context: repetition, presence and frequency, 4 bytes each.
    function penalties(bytes calldata c) internal pure returns (uint256 v) {
        assembly ("memory-safe") {
            v := shr(160, calldataload(add(c.offset, 48)))
        }
    }

    function _u32(bytes calldata c, uint256 offset) private pure returns (uint256 v) {
        assembly ("memory-safe") {
            v := shr(224, calldataload(add(c.offset, offset)))
        }
    }
}
