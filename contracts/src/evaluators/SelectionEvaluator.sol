// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";
import {NumbersVector} from "../libraries/NumbersVector.sol";

/// @title Penalties: penalise (29). Radix selection of thresholds: rank (30), hist (31), digit (32), keep (33)
contract SelectionEvaluator is Evaluator {
    /// @dev Values of a digit.
    uint256 private constant BINS = 16;
    /// @dev Last of the rounds.
    uint256 private constant LAST_ROUND = 7;
    /// @dev Most elements of a chunk.
    uint256 private constant MAX_FAN_IN = 256;
    /// @dev 1 in Q30.
    uint256 private constant FULL = 1 << 30;
    /// @dev Elements of the count and the bias tree.
    uint256 private constant DENSE = 1 << 20;
    /// @dev The repetition penalty that greater ones act as, Q16.
    uint256 private constant MAX_REPETITION = 1 << 30;

    function _element(Frame memory f, bytes calldata d, bytes calldata c) internal pure override returns (int256) {
        if (f.op == 30) return _rank(f, d, c);
        if (f.op == 31) return _hist(f, d);
        if (f.op == 32) return _digit(f, d);
        if (f.op == 33) return _keep(f, d, c);
        if (f.op == 29) return _penalise(f, d, c);
        revert UnknownOp(uint8(f.op));
    }

    function _penalise(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256 x) {
        x = _one(f, d, 0, Numbers.I32, f.rows * f.last, f.index);
        uint256 id = _min(f.index, DENSE - 1);
        uint256 penalties = Descriptors.penalties(c);
        if (penalties != 0) {
            int256 count = _one(f, d, 1, Numbers.I32, DENSE, id);
            if (count > 0) x = _penalised(x, count, penalties);
        }
        if (Descriptors.biased(c)) x += _one(f, d, 2, Numbers.I32, DENSE, id);
    }

    /// @dev The logit of a token that has occurred; it was drawn count / 2 times.
    function _penalised(int256 x, int256 count, uint256 penalties) private pure returns (int256) {
        uint256 r = _min(penalties >> 64, MAX_REPETITION);
        if (r != 0) x = x > 0 ? Numbers.div(x << 16, int256(r)) : Numbers.rs(x * int256(r), 16);
        if (count < 2) return x;
        int256 presence = int256(int32(uint32(penalties >> 32)));
        return x - presence - (count / 2) * int256(int32(uint32(penalties)));
    }

    function _rank(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        if (!_weighs(d, 1)) {
            uint256 n = _param(d, 0, 1);
            uint256 k = Descriptors.topK(c);
            return int256(k == 0 ? n : _min(k, n));
        }
        int256 z = _one(f, d, 0, Numbers.I64, 1, 0);
        if (z < 0) z = 0;
        uint256 p = Descriptors.topP(c);
        return p == 0 || p >= FULL ? z : int256((uint256(z) * p + FULL - 1) >> 30);
    }

    /// @dev Elements are compared as they lie in calldata, little-endian: so are mask and prefix.
    function _hist(Frame memory f, bytes calldata d) private pure returns (int256 sum) {
        uint256 round = _min(_param(d, 2, 0), LAST_ROUND);
        (uint256 offset, uint256 count) = _chunk(f, d);
        int256 prefix = 0;
        if (round != 0) prefix = Numbers.i64(_take(f, d, 1, Numbers.I64, 2, 0, 2));
        if (prefix < 0 || prefix >> (4 * round) != 0) return 0;
        uint256 shift = 28 - 4 * round;
        uint256 want = _reverse((uint256(prefix) * BINS + f.index / f.last % BINS) << shift);
        return _matches(offset, count, _reverse(0xffffffff >> shift << shift), want, _weighs(d, 3));
    }

    function _chunk(Frame memory f, bytes calldata d) private pure returns (uint256 offset, uint256 count) {
        uint256 n = _param(d, 0, 1);
        uint256 fanIn = _param(d, 1, 1);
        if (fanIn > MAX_FAN_IN) revert BadDescriptor(uint8(f.op));
        uint256 lo = _min(f.index % f.last * fanIn, n - 1);
        uint256 hi = _min(lo + fanIn, n);
        return (_take(f, d, 0, Numbers.I32, n, lo, hi), hi - lo);
    }

    /// @dev The lowest four bytes of v in reverse order.
    function _reverse(uint256 v) private pure returns (uint256 out) {
        for (uint256 i = 0; i < 4; ++i) {
            out = (out << 8) | (v & 0xff);
            v >>= 8;
        }
    }

    /// @dev How many of `count` elements at `offset` are `want` under the mask, or their sum.
    function _matches(uint256 offset, uint256 count, uint256 mask, uint256 want, bool weighs)
        private
        pure
        returns (int256 sum)
    {
        uint256 end = offset + 4 * count;
        while (offset < end) {
            bool hit;
            assembly ("memory-safe") {
                hit := eq(and(shr(224, calldataload(offset)), mask), want)
            }
            if (hit) sum += weighs ? Numbers.i32(offset) : int256(1);
            unchecked {
                offset += 4;
            }
        }
    }

    function _digit(Frame memory f, bytes calldata d) private pure returns (int256) {
        int256[] memory h = NumbersVector.decode(_take(f, d, 0, Numbers.I64, BINS, 0, BINS), Numbers.I64, BINS);
        int256 prefix = 0;
        int256 rest;
        if (_param(d, 0, 0) == 0) {
            rest = _one(f, d, 1, Numbers.I64, 1, 0);
        } else {
            uint256 state = _take(f, d, 1, Numbers.I64, 2, 0, 2);
            (prefix, rest) = (Numbers.i64(state), Numbers.i64(state + 8));
        }
        int256 above = 0;
        uint256 i = BINS - 1;
        for (; i != 0; --i) {
            int256 next = above + h[i];
            if (next >= rest) break;
            above = next;
        }
        return f.index == 0 ? prefix * int256(BINS) + int256(i) : rest - above;
    }

    function _keep(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        int256 x = _one(f, d, 0, Numbers.I32, f.rows * f.last, f.index);
        int256 least = Numbers.i64(_take(f, d, 1, Numbers.I64, 2, 0, 2));
        if (x < least || (_weighs(d, 1) && x < int256(Descriptors.minP(c)))) return 0;
        return x;
    }

    /// @dev Whether parameter i says that elements are weighed, not counted.
    function _weighs(bytes calldata d, uint256 i) private pure returns (bool) {
        return Descriptors.param(d, i) == 1;
    }
}
