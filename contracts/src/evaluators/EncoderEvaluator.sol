// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";
import {NumbersVector} from "../libraries/NumbersVector.sol";

/// @title Rows of a text: embed_rows (89), live (90), row_score (91), row_mix (92), turn (93), row_center (94),
/// row_squares (95), row_inv (96), row_norm (97), row_add (98)
contract EncoderEvaluator is Evaluator {
    /// @dev Widest head.
    uint256 private constant MAX_HEAD = 256;
    /// @dev Most elements of a chunk of squares.
    uint256 private constant MAX_FAN_IN = 256;
    /// @dev Rows that one sum of row_mix is over.
    uint256 private constant MIX_CHUNK = 128;

    function _element(Frame memory f, bytes calldata d, bytes calldata) internal pure override returns (int256) {
        if (f.op == 89) return _embed(f, d);
        if (f.op == 90) return _live(f, d);
        if (f.op == 91) return _score(f, d);
        if (f.op == 92) return _mix(f, d);
        if (f.op == 93) return _turn(f, d);
        if (f.op == 94) return _center(f, d);
        if (f.op == 95) return _squares(f, d);
        if (f.op == 96) return _inverse(f, d);
        if (f.op == 97) return _norm(f, d);
        if (f.op == 98) return _add(f, d);
        revert UnknownOp(uint8(f.op));
    }

    function _embed(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 vocabulary = _param(d, 0, 1);
        uint256 chunk = _param(d, 2, 0);
        if (chunk == 0) revert BadDescriptor(uint8(f.op));
        uint256 y = _id(f, d, vocabulary);
        uint256 padded = _param(d, 1, 0);
        uint256 offset = y * padded + f.index % f.last;
        int256 w = Numbers.element(_takeBytes(f, d, 1, chunk, vocabulary * padded, offset, offset + 1), Numbers.I8);
        offset = _take(f, d, 2, Numbers.I32, 2 * vocabulary, 2 * y, 2 * y + 2);
        return Numbers.rs(w * Numbers.i32(offset), Numbers.i32(offset + 4));
    }

    /// @dev The id of the element's row, 0 for what is no id.
    function _id(Frame memory f, bytes calldata d, uint256 vocabulary) private pure returns (uint256) {
        uint256 size = _param(d, 4, 1);
        uint256 found = _min(_min(_param(d, 3, 0), size - 1) + f.index / f.last, size - 1);
        int256 v = _one(f, d, 0, Numbers.I32, size, found);
        return v < 0 || uint256(v) >= vocabulary ? 0 : uint256(v);
    }

    /// @dev 1 for a row that has an id and is among the first, else 0.
    function _live(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 size = _param(d, 0, 1);
        int256 id = _one(f, d, 0, Numbers.I32, size, _min(f.index, size - 1));
        return id >= 0 && f.index < _param(d, 1, 0) ? int256(1) : int256(0);
    }

    function _score(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 hd = _param(d, 0, 1);
        if (hd > MAX_HEAD) revert BadDescriptor(uint8(f.op));
        (, uint256 heads,) = Descriptors.dims(d, f.t);
        uint256 key = f.index % f.last;
        uint256 lo = f.index / f.last * hd;
        uint256 q = _take(f, d, 0, Numbers.I16, f.rows * hd, lo, lo + hd);
        lo = (key * heads + f.index / f.last % heads) * hd;
        uint256 k = _take(f, d, 1, Numbers.I16, f.last * heads * hd, lo, lo + hd);
        if (_one(f, d, 2, Numbers.I32, f.last, key) == 0) return type(int32).min;
        return Numbers.rs(NumbersVector.dot16x16(q, k, hd) * Descriptors.param(d, 2), Descriptors.param(d, 3));
    }

    function _mix(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 hd = _param(d, 0, 1);
        uint256 n = _param(d, 1, 1);
        (uint256 rows, uint256 width,) = Descriptors.dims(d, f.t);
        uint256 heads = (width + hd - 1) / hd;
        uint256 col = f.index / f.last % width;
        uint256 lo = _min(f.index % f.last * MIX_CHUNK, n - 1);
        uint256 size = _min(lo + MIX_CHUNK, n) - lo;
        uint256 from = (f.index / f.last / width * heads + col / hd) * n + lo;
        uint256 p = _take(f, d, 0, Numbers.I32, rows * heads * n, from, from + size);
        from = col * n + lo;
        return NumbersVector.dot32x16(p, _take(f, d, 1, Numbers.I16, width * n, from, from + size), size);
    }

    function _turn(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 row = f.index % f.last;
        int256 x = _one(f, d, 0, Numbers.I32, f.rows * f.last, row * f.rows + f.index / f.last);
        return _one(f, d, 1, Numbers.I32, f.last, row) == 0 ? int256(0) : x;
    }

    function _center(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 n = f.rows * f.last;
        uint256 width = _param(d, 1, 1);
        int256 x = _one(f, d, 0, Numbers.I32, n, f.index);
        int256 sum = _one(f, d, 1, Numbers.I64, (n + width - 1) / width, f.index / width);
        return x - Numbers.div(sum, int256(width));
    }

    function _squares(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 width = _param(d, 0, 1);
        uint256 fanIn = _param(d, 1, 1);
        if (fanIn > MAX_FAN_IN) revert BadDescriptor(uint8(f.op));
        uint256 row = f.index / f.last;
        uint256 lo = _min(f.index % f.last * fanIn, width - 1);
        uint256 size = _min(lo + fanIn, width) - lo;
        lo += row * width;
        uint256 x = _take(f, d, 0, Numbers.I32, f.rows * width, lo, lo + size);
        return NumbersVector.squares32(x, size, _normShift(_one(f, d, 1, Numbers.I64, f.rows, row)));
    }

    function _inverse(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 rows = f.rows * f.last / 2;
        if (rows == 0) rows = 1;
        uint256 row = _min(f.index / 2, rows - 1);
        int256 sum = _one(f, d, 0, Numbers.I64, rows, row);
        uint256 s = _normShift(_one(f, d, 1, Numbers.I64, rows, row));
        if (f.index % 2 == 1) return int256(s);
        int256 r = Numbers.isqrt(sum + (Descriptors.param(d, 1) >> _min(2 * s, 62)));
        return r == 0 ? int256(0) : Numbers.floorDiv(Descriptors.param(d, 0), r);
    }

    function _norm(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 n = f.rows * f.last;
        uint256 width = _param(d, 2, 1);
        int256 z = _one(f, d, 0, Numbers.I32, n, f.index);
        uint256 row = f.index / width;
        uint256 offset = _take(f, d, 1, Numbers.I64, 2 * ((n + width - 1) / width), 2 * row, 2 * row + 2);
        z = Numbers.rs(z * Numbers.i64(offset), Descriptors.param(d, 0) + Numbers.i64(offset + 8));
        z = Numbers.rs(z * _one(f, d, 2, Numbers.I32, width, f.index % width), Descriptors.param(d, 1));
        return z + _one(f, d, 3, Numbers.I32, width, f.index % width);
    }

    function _add(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 width = _param(d, 1, 1);
        int256 x = _one(f, d, 0, Numbers.I32, f.rows * f.last, f.index);
        return x + _one(f, d, 1, Numbers.I32, width, f.index % width);
    }
}
