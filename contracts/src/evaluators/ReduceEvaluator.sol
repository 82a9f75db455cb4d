// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";

/// @title One level of a reduction over the last axis (SPEC 02 §4.1): max_abs (2), max (3), sum (4), arg_key (5),
/// sum_squares (6)
contract ReduceEvaluator is Evaluator {
    /// @dev Most elements of a chunk.
    uint256 private constant MAX_FAN_IN = 256;

    function _element(Frame memory f, bytes calldata d, bytes calldata) internal pure override returns (int256) {
        if (f.op < 2 || f.op > 6) revert UnknownOp(uint8(f.op));
        (int256[] memory x, uint256 first) = _chunk(f, d);
        if (f.op == 2) return _maxAbs(x);
        if (f.op == 3) return _max(x);
        if (f.op == 4) return _sum(x);
        if (f.op == 5) return _argKey(x, first);
        return _sumSquares(x, _normShift(_one(f, d, 1, Numbers.I64, 1, 0)));
    }

    /// @dev The elements that the target element covers, and the index of the first within its row.
    function _chunk(Frame memory f, bytes calldata d) private pure returns (int256[] memory x, uint256 first) {
        uint256 n = Descriptors.extent(uint32(_param(d, 0, 0)), uint32(_param(d, 1, 0)), f.len);
        uint256 fanIn = _param(d, 2, 1);
        uint256 dtype = _param(d, 3, 0);
        if (n == 0 || fanIn > MAX_FAN_IN || dtype == 0 || dtype > Numbers.I64) revert BadDescriptor(uint8(f.op));
        uint256 row = f.index / f.last * n;
        first = _min(f.index % f.last * fanIn, n - 1);
        uint256 hi = _min(first + fanIn, n);
        x = Numbers.decode(_take(f, d, 0, dtype, f.rows * n, row + first, row + hi), dtype, hi - first);
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
