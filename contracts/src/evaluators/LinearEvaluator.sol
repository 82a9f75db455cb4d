// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";
import {NumbersVector} from "../libraries/NumbersVector.sol";

/// @title Ops on weights: embed (1), matmul (9), row (10), position (53)
contract LinearEvaluator is Evaluator {
    /// @dev Most weights of a row in one leaf (SPEC 01 §2.1).
    uint256 private constant MAX_CHUNK = 512;

    function _element(Frame memory f, bytes calldata d, bytes calldata c) internal pure override returns (int256) {
        if (f.op == 9) return _matmul(f, d);
        if (f.op == 10) return _row(f, d);
        if (f.op == 1) return _embed(f, d, Descriptors.previousToken(c), true);
        if (f.op == 53) return _embed(f, d, f.t, false);
        revert UnknownOp(uint8(f.op));
    }

    function _matmul(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 k = _param(d, 0, 0);
        uint256 chunk = _param(d, 1, 1);
        if (k == 0 || chunk > MAX_CHUNK) revert BadDescriptor(uint8(f.op));
        uint256 lo = _min(f.index % f.last * chunk, k - 1);
        uint256 hi = _min(lo + chunk, k);
        uint256 x = _take(f, d, 0, Numbers.I16, k, lo, hi);
        uint256 offset = f.index * chunk;
        uint256 w = _takeBytes(f, d, 1, chunk, f.rows * f.last * chunk, offset, offset + hi - lo);
        return NumbersVector.dot16x8(x, w, hi - lo);
    }

    function _row(Frame memory f, bytes calldata d) private pure returns (int256 sum) {
        uint256 chunks = _param(d, 0, 1);
        uint256 n = f.rows * f.last;
        uint256 offset = _take(f, d, 0, Numbers.I64, n * chunks, f.index * chunks, (f.index + 1) * chunks);
        sum = NumbersVector.sum64(offset, chunks);
        (int256 mantissa, int256 exponent) = _rowScale(f, d, n, f.index);
        if (_has(d, 2)) exponent -= _one(f, d, 2, Numbers.I64, 1, 0);
        return Numbers.rs(sum * mantissa, exponent);
    }

    /// @dev Row y of a table; beyond its rows the first stands for a token, the last for a position.
    function _embed(Frame memory f, bytes calldata d, uint256 y, bool token) private pure returns (int256) {
        uint256 vocabulary = _param(d, 0, 1);
        uint256 padded = _param(d, 1, 0);
        uint256 chunk = _param(d, 2, 0);
        if (chunk == 0) revert BadDescriptor(uint8(f.op));
        if (!token) y = _min(y, vocabulary - 1);
        else if (y >= vocabulary || y > uint256(uint32(type(int32).max))) y = 0;
        uint256 offset = y * padded + f.index;
        int256 w = Numbers.element(_takeBytes(f, d, 0, chunk, vocabulary * padded, offset, offset + 1), Numbers.I8);
        (int256 mantissa, int256 exponent) = _rowScale(f, d, vocabulary, y);
        return Numbers.rs(w * mantissa, exponent);
    }

    /// @dev Mantissa and exponent of row n of source 1, an i32 [rows][2].
    function _rowScale(Frame memory f, bytes calldata d, uint256 rows, uint256 n)
        private
        pure
        returns (int256 mantissa, int256 exponent)
    {
        uint256 offset = _take(f, d, 1, Numbers.I32, 2 * rows, 2 * n, 2 * n + 2);
        return (Numbers.i32(offset), Numbers.i32(offset + 4));
    }
}
