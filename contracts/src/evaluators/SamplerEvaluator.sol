// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";
import {NumbersVector} from "../libraries/NumbersVector.sol";

/// @title From logits to token and finish code: temper (23), draw (24), select (25), token (26), stop (27), prompt (28)
contract SamplerEvaluator is Evaluator {
    /// @notice The SHA-256 precompile failed (out of gas).
    error HashFailed();

    /// @dev Finish codes (SPEC 06 §4).
    int256 private constant RUN = 0;
    int256 private constant END = 1;
    int256 private constant STRING = 2;
    int256 private constant LENGTH = 3;
    int256 private constant CONTEXT = 4;
    int256 private constant REFUSED = 6;
    /// @dev State of the stop strings once one is complete, of a grammar after a token that it refuses.
    int256 private constant DONE = -1;
    /// @dev Most stop ids of a request.
    uint256 private constant MAX_STOP = 64;
    /// @dev Most elements of a select chunk.
    uint256 private constant MAX_FAN_IN = 256;

    function _element(Frame memory f, bytes calldata d, bytes calldata c) internal view override returns (int256) {
        if (f.op == 23) return _temper(f, d, c);
        if (f.op == 24) return _draw(f, d, c);
        if (f.op == 25) return _select(f, d);
        if (f.op == 26) return _token(f, d, c);
        if (f.op == 27) return _stop(f, d, c);
        if (f.op == 28) return _prompt(f, d, c);
        revert UnknownOp(uint8(f.op));
    }

    function _temper(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        int256 x = _one(f, d, 0, Numbers.I32, f.rows * f.last, f.index);
        return Numbers.div(x * Descriptors.param(d, 1), int256(Descriptors.temperature(c)));
    }

    function _draw(Frame memory f, bytes calldata d, bytes calldata c) private view returns (int256) {
        int256 z = _one(f, d, 0, Numbers.I64, 1, 0);
        if (z < 0) z = 0;
        bytes memory text = abi.encodePacked("draw", Descriptors.seed(c), uint32(f.t));
        bool ok;
        uint256 u;
        assembly ("memory-safe") {
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 2, add(text, 32), mload(text), 0, 32))
            u := shr(192, mload(0))
        }
        if (!ok) revert HashFailed();
        return int256((u * uint256(z)) >> 64);
    }

    function _select(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 n = _param(d, 0, 1);
        uint256 fanIn = _param(d, 1, 1);
        uint256 dtype = _param(d, 2, 0);
        if (fanIn > MAX_FAN_IN || dtype == 0 || dtype > Numbers.I64) revert BadDescriptor(uint8(f.op));
        (uint256 chunk, int256 rest) = _position(f, d, (n + fanIn - 1) / fanIn - 1);
        uint256 lo = chunk * fanIn;
        uint256 hi = _min(lo + fanIn, n);
        uint256 offset = _take(f, d, 0, dtype, n, lo, hi);
        uint256 j;
        if (dtype == Numbers.I32) (j, rest) = NumbersVector.skip32(offset, hi - lo, rest);
        lo += j;
        (j, rest) = NumbersVector.walk(NumbersVector.decode(offset + (j << (dtype - 1)), dtype, hi - lo), rest);
        return f.index == 0 ? int256(lo + j) : rest;
    }

    /// @dev Chunk index, clamped to [0, top], and remainder, from source 1.
    function _position(Frame memory f, bytes calldata d, uint256 top) private pure returns (uint256, int256) {
        if (Descriptors.param(d, 3) == 1) return (0, _one(f, d, 1, Numbers.I64, 1, 0));
        uint256 offset = _take(f, d, 1, Numbers.I64, 2, 0, 2);
        int256 q = Numbers.i64(offset);
        return (q < 0 ? 0 : _min(uint256(q), top), Numbers.i64(offset + 8));
    }

    function _token(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        int256 key = _one(f, d, 0, Numbers.I64, 1, 0);
        int256 z = _one(f, d, 1, Numbers.I64, 1, 0);
        int256 drawn = Numbers.i64(_take(f, d, 2, Numbers.I64, 2, 0, 2));
        if (Descriptors.temperature(c) == 0 || z <= 0) return int256(0xffffffff - (uint256(key) & 0xffffffff));
        return drawn;
    }

    function _stop(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        int256 y = _one(f, d, 0, Numbers.I32, 1, 0);
        uint256 n = _min(Descriptors.stopCount(c), MAX_STOP);
        bool end = n != 0 && NumbersVector.find32(_take(f, d, 1, Numbers.I32, n, 0, n), n, y) < n;
        int256 state = _one(f, d, 2, Numbers.I32, 1, 0);
        if (_one(f, d, 3, Numbers.I32, 1, 0) == DONE) return REFUSED;
        if (end) return END;
        if (state == DONE) return STRING;
        int256 next = int256(f.t) + 2;
        if (next - int256(Descriptors.promptCount(c)) >= int256(Descriptors.maxNew(c))) return LENGTH;
        return next > int256(Descriptors.tMax(c)) ? CONTEXT : RUN;
    }

    function _prompt(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        uint256 m = Descriptors.promptCount(c);
        if (m == 0) m = 1;
        return _one(f, d, 0, Numbers.I32, m, _min(f.t + 1, m - 1));
    }
}
