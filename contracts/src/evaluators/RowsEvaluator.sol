// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";
import {NumbersVector} from "../libraries/NumbersVector.sol";

/// @title Experts and rows of matrices: order (80), slot (81), gather (82), share (83), row_matmul (84), row_result (85),
/// row_scale (86), row_quant (87), combine (88)
contract RowsEvaluator is Evaluator {
    /// @dev Most elements that order and slot look at, and most of a sum.
    uint256 private constant MAX_FAN_IN = 256;
    /// @dev Most weights of a row in one leaf (SPEC 01 §2.1).
    uint256 private constant MAX_CHUNK = 512;
    /// @dev Largest magnitude of a quantised activation, 127 * 256.
    int256 private constant ACT_MAX = 32512;

    function _element(Frame memory f, bytes calldata d, bytes calldata) internal pure override returns (int256) {
        if (f.op == 84) return _rowMatmul(f, d);
        if (f.op == 85) return _rowResult(f, d);
        if (f.op == 80) return _order(f, d);
        if (f.op == 81) return _slot(f, d);
        if (f.op == 88) return _combine(f, d);
        uint256 n = f.rows * f.last;
        if (f.op == 82) {
            uint256 size = _param(d, 0, 1);
            uint256 found = _place(f, d, 1, n, f.index, size);
            return _one(f, d, 0, Numbers.I32, size, found);
        }
        if (f.op == 83) return _share(f, d, n);
        if (f.op == 86) return _scale(_one(f, d, 0, Numbers.I64, n, f.index));
        if (f.op == 87) {
            int256 x = _one(f, d, 0, Numbers.I32, n, f.index);
            uint256 group = _param(d, 1, 1);
            return Numbers.rs(x, _one(f, d, 1, Numbers.I64, (n + group - 1) / group, f.index / group));
        }
        revert UnknownOp(uint8(f.op));
    }

    /// @dev How many elements stand before the element: greater ones, and equal ones of a lower index.
    function _order(Frame memory f, bytes calldata d) private pure returns (int256 count) {
        uint256 n = f.rows * f.last;
        if (n > MAX_FAN_IN) revert BadDescriptor(uint8(f.op));
        int256[] memory x = NumbersVector.decode(_take(f, d, 0, Numbers.I32, n, 0, n), Numbers.I32, n);
        uint256 index = f.index;
        assembly ("memory-safe") {
            let p := add(x, 32)
            let own := add(p, shl(5, index))
            let v := mload(own)
            for {} lt(p, own) { p := add(p, 32) } { count := add(count, iszero(slt(mload(p), v))) }
            for { let end := add(add(x, 32), shl(5, n)) } lt(p, end) { p := add(p, 32) } {
                count := add(count, sgt(mload(p), v))
            }
        }
    }

    /// @dev The least index that holds the element's own, 0 if none does.
    function _slot(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 n = _param(d, 0, 1);
        if (n > MAX_FAN_IN) revert BadDescriptor(uint8(f.op));
        uint256 offset = _take(f, d, 0, Numbers.I32, n, 0, n);
        if (f.index > uint256(uint32(type(int32).max))) return 0;
        uint256 found = NumbersVector.find32(offset, n, int256(f.index));
        return found < n ? int256(found) : int256(0);
    }

    /// @dev Element i of the n indices of a source, held inside [0, limit).
    function _place(Frame memory f, bytes calldata d, uint256 source, uint256 n, uint256 i, uint256 limit)
        private
        pure
        returns (uint256)
    {
        int256 v = _one(f, d, source, Numbers.I32, n, i);
        return v < 0 ? 0 : _min(uint256(v), limit - 1);
    }

    function _share(Frame memory f, bytes calldata d, uint256 n) private pure returns (int256 v) {
        uint256 group = _param(d, 2, 1);
        uint256 dtype = _param(d, 4, 0);
        if (dtype == 0 || dtype > Numbers.I64) revert BadDescriptor(uint8(f.op));
        int256 x = _one(f, d, 0, dtype, n, f.index) * Descriptors.param(d, 1);
        v = Numbers.div(x, _one(f, d, 1, Numbers.I64, (n + group - 1) / group, f.index / group));
        int256 limit = int256(1 << _min(_param(d, 3, 0), 62));
        if (v > limit) return limit;
        return v < -limit ? -limit : v;
    }

    /// @dev The block of row r of `rows`: named by source 2, 0 where there is none.
    function _block(Frame memory f, bytes calldata d, uint256 rows, uint256 r) private pure returns (uint256) {
        return _has(d, 2) ? _place(f, d, 2, rows, r, _param(d, 2, 1)) : 0;
    }

    function _rowMatmul(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 k = _param(d, 0, 0);
        uint256 chunk = _param(d, 1, 1);
        if (k == 0 || chunk > MAX_CHUNK) revert BadDescriptor(uint8(f.op));
        (uint256 rows, uint256 width,) = Descriptors.dims(d, f.t);
        uint256 r = f.index / f.last / width;
        uint256 b = _block(f, d, rows, r);
        uint256 lo = _min(f.index % f.last * chunk, k - 1);
        uint256 size = _min(lo + chunk, k) - lo;
        bool own = Descriptors.param(d, 3) == 1;
        if (own) lo += r * k;
        uint256 x = _take(f, d, 0, Numbers.I16, own ? rows * k : k, lo, lo + size);
        // Row n of block b, chunk c: the rest of the index after the row's own elements are taken away.
        uint256 offset = (b * width * f.last + f.index % (width * f.last)) * chunk;
        uint256 w = _takeBytes(f, d, 1, chunk, _param(d, 2, 1) * width * f.last * chunk, offset, offset + size);
        return NumbersVector.dot16x8(x, w, size);
    }

    function _rowResult(Frame memory f, bytes calldata d) private pure returns (int256 sum) {
        uint256 chunks = _param(d, 0, 1);
        uint256 width = _param(d, 1, 1);
        uint256 total = f.rows * f.last;
        uint256 rows = total < width ? 1 : total / width;
        bool inner = Descriptors.param(d, 3) == 1;
        uint256 r = inner ? f.index % rows : f.index / width;
        uint256 n = inner ? f.index / rows : f.index % width;
        uint256 b = _block(f, d, rows, r);
        uint256 found = (r * width + n) * chunks;
        sum = NumbersVector.sum64(_take(f, d, 0, Numbers.I64, total * chunks, found, found + chunks), chunks);
        n += b * width;
        found = _take(f, d, 1, Numbers.I32, 2 * _param(d, 2, 1) * width, 2 * n, 2 * n + 2);
        int256 exponent = Numbers.i32(found + 4);
        if (Descriptors.param(d, 4) == 1) (rows, r) = (1, 0);
        if (_has(d, 3)) exponent -= _one(f, d, 3, Numbers.I64, rows, r);
        return Numbers.rs(sum * Numbers.i32(found), exponent);
    }

    function _combine(Frame memory f, bytes calldata d) private pure returns (int256 sum) {
        uint256 k = _param(d, 1, 1);
        if (k > MAX_FAN_IN) revert BadDescriptor(uint8(f.op));
        uint256 x = _take(f, d, 0, Numbers.I32, f.rows * f.last * k, f.index * k, (f.index + 1) * k);
        uint256 w = _take(f, d, 1, Numbers.I32, k, 0, k);
        for (uint256 i = 0; i < k; ++i) {
            sum += Numbers.i32(x + 4 * i) * Numbers.i32(w + 4 * i);
        }
        return Numbers.rs(sum, Descriptors.param(d, 2));
    }

    /// @dev Least s in 0..62 with rs(|m|, s) <= 32512, 62 if none.
    function _scale(int256 m) private pure returns (int256) {
        m = Numbers.abs(m);
        uint256 n = Numbers.bitlen(m);
        int256 s = n > 15 ? int256(n - 15) : int256(0);
        while (s < 62 && Numbers.rs(m, s) > ACT_MAX) ++s;
        return s;
    }
}
