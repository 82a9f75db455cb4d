// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";
import {NumbersVector} from "../libraries/NumbersVector.sol";

/// @title Attention over the KV cache: rope (17), score (18), exp2 (19), transpose (20), mix (21), div (22)
contract AttentionEvaluator is Evaluator {
    /// @dev Positions in a partial sum of mix.
    uint256 private constant MIX_CHUNK = 128;
    /// @dev Widest head that a score can span.
    uint256 private constant MAX_HEAD = 512;

    function _element(Frame memory f, bytes calldata d, bytes calldata) internal pure override returns (int256) {
        if (f.op == 17) return _rope(f, d);
        if (f.op == 18) return _score(f, d);
        if (f.op == 19) return _exp2(f, d);
        if (f.op == 20) return _transpose(f, d);
        if (f.op == 21) return _mix(f, d);
        if (f.op == 22) return _div(f, d);
        revert UnknownOp(uint8(f.op));
    }

    function _rope(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 n = f.rows * f.last;
        uint256 rotated = _param(d, 2, 0);
        int256 shift = Descriptors.param(d, 3);
        uint256 dim = f.index % _param(d, 1, 1);
        if (dim >= rotated) return Numbers.rs(_one(f, d, 0, Numbers.I32, n, f.index), shift);

        uint256 head = f.index - dim;
        uint256 pair = dim / 2;
        uint256 lo = head + dim - dim % 2;
        uint256 hi = lo + 1;
        if (Descriptors.param(d, 4) == 1) {
            uint256 half = rotated < 2 ? 1 : rotated / 2;
            pair = dim % half;
            lo = head + pair;
            hi = lo + half;
        }
        hi = _min(hi, n - 1);
        (int256 u, int256 v) = _pair(f, d, n, lo, hi);
        (int256 cosine, int256 sine) = _angle(f, d, pair, rotated);
        int256 x = f.index == lo ? u * cosine - v * sine : u * sine + v * cosine;
        return Numbers.rs(x, 30 + shift);
    }

    /// @dev Elements lo and hi of source 0: one read when they are neighbours.
    function _pair(Frame memory f, bytes calldata d, uint256 n, uint256 lo, uint256 hi)
        private
        pure
        returns (int256 u, int256 v)
    {
        if (hi == lo + 1) {
            uint256 offset = _take(f, d, 0, Numbers.I32, n, lo, hi + 1);
            return (Numbers.i32(offset), Numbers.i32(offset + 4));
        }
        u = _one(f, d, 0, Numbers.I32, n, lo);
        v = _one(f, d, 0, Numbers.I32, n, hi);
    }

    /// @dev Cosine and sine, Q30, of a pair at position t.
    function _angle(Frame memory f, bytes calldata d, uint256 pair, uint256 rotated)
        private
        pure
        returns (int256 cosine, int256 sine)
    {
        uint256 pairs = rotated < 2 ? 1 : rotated / 2;
        uint256 positions = _param(d, 5, 1);
        uint256 i = 2 * (_min(f.t, positions - 1) * pairs + _min(pair, pairs - 1));
        uint256 offset = _take(f, d, 1, Numbers.I32, 2 * positions * pairs, i, i + 2);
        return (Numbers.i32(offset), Numbers.i32(offset + 4));
    }

    function _score(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 hd = _param(d, 0, 1);
        if (hd > MAX_HEAD) revert BadDescriptor(uint8(f.op));
        uint256 h = f.index / f.len;
        uint256 q = _take(f, d, 0, Numbers.I16, _param(d, 6, 0) * hd, h * hd, (h + 1) * hd);
        uint256 lo = h / _param(d, 1, 1) * hd;
        uint256 k = _kvRow(f, d, 1, 2, 0, lo, lo + hd);
        int256 product = NumbersVector.dot16x16(q, k, hd);
        return Numbers.rs(product * Descriptors.param(d, 2), Descriptors.param(d, 3));
    }

    function _transpose(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 i = f.index / f.len;
        return Numbers.element(_kvRow(f, d, 1, 0, 1, i, i + 1), Numbers.I16);
    }

    /// @dev Takes i16 elements [lo, hi) of the K (isV 0) or V (isV 1) row of the position of f.index: at t of the stage's
    /// own row (source `own`), before it of the KV tree (source `tree`), SPEC 02 §4.2.
    function _kvRow(Frame memory f, bytes calldata d, uint256 own, uint256 tree, uint256 isV, uint256 lo, uint256 hi)
        private
        pure
        returns (uint256)
    {
        uint256 rowBytes = 2 * _param(d, 5, 0);
        uint256 position = f.t + 1 - f.len + f.index % f.len;
        if (position == f.t) return _takeBytes(f, d, own, KV_LEAF_BYTES, rowBytes, 2 * lo, 2 * hi);
        uint256 depths = _param(d, 7, 0);
        uint256 layerDepth = (depths >> 8) & 63;
        uint256 rowDepth = depths & 63;
        uint256 depth = ((depths >> 16) & 63) + layerDepth + 1 + rowDepth;
        uint256 layer = _param(d, 4, 0);
        if (depth > 54 || layer >> layerDepth != 0 || 2 * hi > KV_LEAF_BYTES << rowDepth) {
            revert BadDescriptor(uint8(f.op));
        }
        uint256 base = ((((position << layerDepth) | layer) << 1) | isV) << rowDepth;
        base *= KV_LEAF_BYTES;
        return _takeBytes(f, d, tree, KV_LEAF_BYTES, KV_LEAF_BYTES << depth, base + 2 * lo, base + 2 * hi);
    }

    function _exp2(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 total = f.rows * f.last;
        uint256 n = Descriptors.extent(uint32(_param(d, 0, 0)), uint32(_param(d, 1, 0)), f.len);
        if (n == 0) revert BadDescriptor(uint8(f.op));
        int256 x = _one(f, d, 0, Numbers.I32, total, f.index);
        int256 top = _one(f, d, 1, Numbers.I64, total / n, f.index / n);
        return Numbers.exp2(x - top, Descriptors.param(d, 2));
    }

    function _mix(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 hd = _param(d, 0, 1);
        uint256 h = f.index / f.last / hd;
        uint256 lo = _min(f.index % f.last * MIX_CHUNK, f.len - 1);
        uint256 hi = _min(lo + MIX_CHUNK, f.len);
        uint256 row = h * f.len;
        uint256 p = _take(f, d, 0, Numbers.I32, _param(d, 2, 0) * f.len, row + lo, row + hi);
        row = (h / _param(d, 1, 1) * hd + f.index / f.last % hd) * f.len;
        uint256 v = _take(f, d, 1, Numbers.I16, _param(d, 5, 0) * f.len, row + lo, row + hi);
        return NumbersVector.dot32x16(p, v, hi - lo);
    }

    function _div(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 n = f.rows * f.last;
        uint256 group = _param(d, 1, 1);
        int256 a = _one(f, d, 0, Numbers.I64, n, f.index);
        return Numbers.div(a, _one(f, d, 1, Numbers.I64, (n + group - 1) / group, f.index / group));
    }
}
