// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";

/// @notice Layout of a leaf of block-scaled weights (SPEC 02 §5).
/// @param bits Bits of a code: 4 or 8.
/// @param chunk Weights in a leaf.
/// @param length Weights in a block: 16 or 32.
/// @param least Whether blocks have offsets.
/// @param mantissas Bytes of codes: where the mantissas begin.
/// @param leaf Bytes of a leaf.
struct Layout {
    uint256 bits;
    uint256 chunk;
    uint256 length;
    bool least;
    uint256 mantissas;
    uint256 leaf;
}

/// @title Ops on block-scaled weights: matmul_block (70), matmul_g4 (71), embed_block (72)
contract BlockEvaluator is Evaluator {
    /// @dev Most weights of a row in one leaf (SPEC 01 §2.1).
    uint256 private constant MAX_CHUNK = 512;
    uint256 private constant MAX_LEAVES = 1 << 40;
    uint256 private constant BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant PAIRS = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    uint256 private constant LOW8 = 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff;
    uint256 private constant LOW16 = 0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff;
    uint256 private constant LOW32 = 0x000000000000000000000000ffffffff000000000000000000000000ffffffff;
    uint256 private constant ONES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant SIGN16 = 0x8000800080008000800080008000800080008000800080008000800080008000;
    uint256 private constant SIGN8 = 0x8080808080808080808080808080808080808080808080808080808080808080;
    uint256 private constant HALVES = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
    uint256 private constant SIGN4 = 0x0808080808080808080808080808080808080808080808080808080808080808;

    function _element(Frame memory f, bytes calldata d, bytes calldata c) internal pure override returns (int256) {
        if (f.op == 70) return _matmul(f, d, 8);
        if (f.op == 71) return _matmul(f, d, 4);
        if (f.op == 72) return _embed(f, d, c);
        revert UnknownOp(uint8(f.op));
    }

    /// @dev |sum| <= 512 * 2^15 * (2^7 + 1) * 2^31 for any bytes.
    function _matmul(Frame memory f, bytes calldata d, uint256 bits) private pure returns (int256 sum) {
        Layout memory l = _layout(f, d, bits);
        uint256 k = _param(d, 0, 1);
        uint256 lo = _min(f.index % f.last * l.chunk, k - 1);
        uint256 count = _min(l.chunk, k - lo);
        uint256 x = _take(f, d, 0, Numbers.I16, k, lo, lo + count);
        uint256 w = _leaf(f, d, 1, l, f.rows * f.last, f.index);
        uint256 bias = 1 << (bits - 1);
        unchecked {
            // Groups of 16 weights: a block or half of one.
            for (uint256 i = 0; i < count; i += 16) {
                (int256 dot, int256 total) = _dot(x + 2 * i, _codes(l, w, i), _min(16, count - i), bias);
                (int256 mantissa, int256 offset) = _block(l, w, i / l.length);
                sum += dot * mantissa + total * offset;
            }
        }
    }

    function _embed(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        Layout memory l = _layout(f, d, _param(d, 4, 0));
        uint256 vocabulary = _param(d, 0, 1);
        uint256 chunks = (f.rows * f.last + l.chunk - 1) / l.chunk;
        uint256 y = Descriptors.previousToken(c);
        if (y >= vocabulary || y > uint256(uint32(type(int32).max))) y = 0;
        uint256 w = _leaf(f, d, 0, l, vocabulary * chunks, y * chunks + f.index / l.chunk);
        uint256 scale = _take(f, d, 1, Numbers.I32, 2 * vocabulary, 2 * y, 2 * y + 2);
        uint256 i = f.index % l.chunk;
        (int256 mantissa, int256 offset) = _block(l, w, i / l.length);
        int256 code = int256((_codes(l, w, i) << (i % 16 * 8)) >> 248) - int256(1 << (l.bits - 1));
        int256 z = code * mantissa + offset;
        return Numbers.rs(z * Numbers.i32(scale), Numbers.i32(scale + 4));
    }

    function _layout(Frame memory f, bytes calldata d, uint256 bits) private pure returns (Layout memory l) {
        l.bits = bits;
        l.chunk = _param(d, 1, 0);
        l.length = _param(d, 2, 0);
        int256 least = Descriptors.param(d, 3);
        bool known = (bits == 4 || bits == 8) && (l.length == 16 || l.length == 32) && (least == 0 || least == 1);
        if (!known || l.chunk == 0 || l.chunk > MAX_CHUNK || l.chunk % 64 != 0) revert BadDescriptor(uint8(f.op));
        l.least = least == 1;
        l.mantissas = l.chunk * bits / 8;
        l.leaf = l.mantissas + (l.least ? 8 : 4) * (l.chunk / l.length);
    }

    /// @dev Takes leaf n of `count` leaves of source `slot`.
    function _leaf(Frame memory f, bytes calldata d, uint256 slot, Layout memory l, uint256 count, uint256 n)
        private
        pure
        returns (uint256)
    {
        if (count > MAX_LEAVES) revert BadDescriptor(uint8(f.op));
        return _takeBytes(f, d, slot, l.leaf, count * l.leaf, n * l.leaf, (n + 1) * l.leaf);
    }

    /// @dev A word whose byte b from the top is code i / 16 * 16 + b, made unsigned by adding half of its range.
    function _codes(Layout memory l, uint256 w, uint256 i) private pure returns (uint256 word) {
        if (l.bits == 8) {
            assembly ("memory-safe") {
                word := xor(calldataload(add(w, and(i, not(15)))), SIGN8)
            }
            return word;
        }
        assembly ("memory-safe") {
            // Of 32 codes the first 16 lie in the low halves of 16 bytes, the others in the high halves.
            word := shr(shr(2, and(i, 16)), calldataload(add(w, shl(4, shr(5, i)))))
            word := xor(and(word, HALVES), SIGN4)
        }
    }

    /// @dev Mantissa and offset of block i.
    function _block(Layout memory l, uint256 w, uint256 i) private pure returns (int256 mantissa, int256 offset) {
        unchecked {
            w += l.mantissas + 4 * i;
            mantissa = _i32(w);
            if (l.least) offset = _i32(w + 4 * (l.chunk / l.length));
        }
    }

    /// @dev The i32 at calldata position `offset`.
    function _i32(uint256 offset) private pure returns (int256 x) {
        assembly ("memory-safe") {
            let v := calldataload(offset)
            v := or(shl(8, and(v, BYTES)), and(shr(8, v), BYTES))
            x := signextend(3, or(shl(16, shr(224, v)), shr(240, v)))
        }
    }

    /// @dev Sum of `count` <= 16 products of i16 from calldata position `x` with codes, and sum of the former. Both are
    /// made unsigned, in eight lanes of 32 bits; the product of two words with one of them in reverse lane order has
    /// the sum of the lane products, below 2^27, in its top lane. Lanes beyond `count` are zero.
    /// @param codes Unsigned codes in the 16 top bytes.
    /// @param bias What was added to a code to make it unsigned.
    function _dot(uint256 x, uint256 codes, uint256 count, uint256 bias)
        private
        pure
        returns (int256 dot, int256 total)
    {
        assembly ("memory-safe") {
            let a := calldataload(x)
            a := xor(or(shl(8, and(a, BYTES)), and(shr(8, a), BYTES)), SIGN16)
            let cut := sub(256, shl(4, count))
            a := shl(cut, shr(cut, a))
            cut := sub(256, shl(3, count))
            // Spread the 16 bytes to pairs in lanes of 32 bits, the last pair on top.
            let v := shr(128, shl(cut, shr(cut, codes)))
            v := or(shl(128, and(v, 0xffffffffffffffff)), shr(64, v))
            v := or(shl(64, and(v, LOW32)), and(shr(32, v), LOW32))
            v := or(shl(32, and(v, LOW16)), and(shr(16, v), LOW16))

            let p := and(shr(16, a), PAIRS)
            let q := and(shr(8, v), LOW8)
            a := and(a, PAIRS)
            v := and(v, LOW8)
            dot := add(shr(224, mul(p, q)), shr(224, mul(a, v)))
            total := shr(224, mul(add(p, a), ONES))
            dot := sub(dot, mul(bias, total))
            total := sub(total, shl(15, count))
            // sum(x * c) = sum(x' * c') - bias * sum(x') - 2^15 * sum(c') + count * 2^15 * bias
            dot := add(sub(dot, shl(15, shr(224, mul(add(q, v), ONES)))), mul(bias, shl(15, count)))
        }
    }
}
