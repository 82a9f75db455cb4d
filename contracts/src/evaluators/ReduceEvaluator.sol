// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";
import {NumbersVector} from "../libraries/NumbersVector.sol";

/// @title One level of a reduction over the last axis (SPEC 02 §4.1): max_abs (2), max (3), sum (4), arg_key (5),
/// sum_squares (6)
contract ReduceEvaluator is Evaluator {
    /// @dev Most elements of a chunk.
    uint256 private constant MAX_FAN_IN = 256;

    function _element(Frame memory f, bytes calldata d, bytes calldata) internal pure override returns (int256) {
        if (f.op < 2 || f.op > 6) revert UnknownOp(uint8(f.op));
        (uint256 offset, uint256 count, uint256 first, uint256 dtype) = _chunk(f, d);
        uint256 shift = f.op == 6 ? _normShift(_one(f, d, 1, Numbers.I64, 1, 0)) : 0;
        if (dtype == Numbers.I32) return _words(f.op, offset, count, first, shift);
        int256[] memory x = NumbersVector.decode(offset, dtype, count);
        if (f.op == 2) return _maxAbs(x);
        if (f.op == 3) return _max(x);
        if (f.op == 4) return _sum(x);
        return f.op == 5 ? _argKey(x, first) : _sumSquares(x, shift);
    }

    /// @dev Where the elements that the target element covers lie, how many they are, the index of the first within
    /// its row, and their type.
    function _chunk(Frame memory f, bytes calldata d)
        private
        pure
        returns (uint256 offset, uint256 count, uint256 first, uint256 dtype)
    {
        uint256 n = Descriptors.extent(uint32(_param(d, 0, 0)), uint32(_param(d, 1, 0)), f.len);
        uint256 fanIn = _param(d, 2, 1);
        dtype = _param(d, 3, 0);
        if (n == 0 || fanIn > MAX_FAN_IN || dtype == 0 || dtype > Numbers.I64) revert BadDescriptor(uint8(f.op));
        uint256 row = f.index / f.last * n;
        first = _min(f.index % f.last * fanIn, n - 1);
        count = _min(fanIn, n - first);
        offset = _take(f, d, 0, dtype, f.rows * n, row + first, row + first + count);
    }

    /// @dev The reductions over i32, eight elements at a time.
    function _words(uint256 op, uint256 offset, uint256 count, uint256 first, uint256 shift)
        private
        pure
        returns (int256)
    {
        if (op == 4) return NumbersVector.sum32(offset, count);
        if (op == 6) return NumbersVector.squares32(offset, count, shift);
        int256 m = NumbersVector.max32(offset, count, op == 2);
        if (op != 5) return m;
        // The key is greatest at the first place of the greatest element.
        uint256 i = first + NumbersVector.find32(offset, count, m);
        return m * (1 << 32) + int256(0xffffffff - i);
    }

    function _maxAbs(int256[] memory x) private pure returns (int256 m) {
        assembly ("memory-safe") {
            let p := add(x, 32)
            for { let end := add(p, shl(5, mload(x))) } lt(p, end) { p := add(p, 32) } {
                let v := mload(p)
                let sign := sar(255, v)
                v := sub(xor(v, sign), sign)
                m := xor(m, mul(xor(m, v), gt(v, m)))
            }
        }
    }

    function _max(int256[] memory x) private pure returns (int256 m) {
        assembly ("memory-safe") {
            let p := add(x, 32)
            m := mload(p)
            for { let end := add(p, shl(5, mload(x))) } lt(p, end) { p := add(p, 32) } {
                let v := mload(p)
                m := xor(m, mul(xor(m, v), sgt(v, m)))
            }
        }
    }

    function _sum(int256[] memory x) private pure returns (int256 s) {
        assembly ("memory-safe") {
            let p := add(x, 32)
            for { let end := add(p, shl(5, mload(x))) } lt(p, end) { p := add(p, 32) } { s := add(s, mload(p)) }
        }
    }

    /// @dev Greatest x_i * 2^32 + (2^32 - 1 - i).
    function _argKey(int256[] memory x, uint256 first) private pure returns (int256 m) {
        assembly ("memory-safe") {
            let p := add(x, 32)
            let low := sub(0xffffffff, first)
            m := add(shl(32, mload(p)), low)
            for { let end := add(p, shl(5, mload(x))) } lt(p, end) { p := add(p, 32) } {
                let v := add(shl(32, mload(p)), low)
                low := sub(low, 1)
                m := xor(m, mul(xor(m, v), sgt(v, m)))
            }
        }
    }

    function _sumSquares(int256[] memory x, uint256 shift) private pure returns (int256 s) {
        assembly ("memory-safe") {
            let p := add(x, 32)
            for { let end := add(p, shl(5, mload(x))) } lt(p, end) { p := add(p, 32) } {
                let v := sar(shift, mload(p))
                s := add(s, mul(v, v))
            }
        }
    }
}
