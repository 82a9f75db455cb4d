// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";
import {NumbersVector} from "../libraries/NumbersVector.sol";

/// @title Ops of decoder families beyond Llama: head_norm (50), activate (51), center (52)
contract FamilyEvaluator is Evaluator {
    /// @dev Widest head of head_norm.
    uint256 private constant MAX_HEAD = 256;
    int256 private constant ONE = 1 << 30;
    /// @dev Curves of activate beyond tanh (0), sigmoid (1), silu (2).
    uint256 private constant GELU_TANH = 3;
    uint256 private constant GELU_ERF = 4;

    function _element(Frame memory f, bytes calldata d, bytes calldata) internal pure override returns (int256) {
        if (f.op == 50) return _headNorm(f, d);
        if (f.op == 51) return _activate(f, d);
        if (f.op == 52) return _center(f, d);
        revert UnknownOp(uint8(f.op));
    }

    function _headNorm(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 hd = _param(d, 1, 1);
        if (hd > MAX_HEAD) revert BadDescriptor(uint8(f.op));
        uint256 n = f.rows * f.last;
        uint256 i = f.index % hd;
        uint256 lo = f.index - i;
        uint256 count = _min(hd, n - lo);
        uint256 offset = _take(f, d, 0, Numbers.I32, n, lo, lo + count);
        int256 gamma = _one(f, d, 1, Numbers.I32, hd, i);
        uint256 s = _normShift(NumbersVector.max32(offset, count, true));
        int256 r = Numbers.isqrt(
            NumbersVector.squares32(offset, count, s) + (Descriptors.param(d, 3) >> _min(2 * s, 62))
        );
        if (r == 0) return 0;
        int256 z = Numbers.i32(offset + 4 * i) * Numbers.floorDiv(Descriptors.param(d, 2), r);
        z = Numbers.rs(z, Descriptors.param(d, 4) + int256(s));
        return Numbers.rs(z * gamma, Descriptors.param(d, 5));
    }

    function _activate(Frame memory f, bytes calldata d) private pure returns (int256) {
        uint256 n = Descriptors.extent(uint32(_param(d, 0, 0)), uint32(_param(d, 1, 0)), f.len);
        int256 x = _one(f, d, 0, Numbers.I32, f.rows * n, f.index);
        int256 w = Numbers.rs(x * Descriptors.param(d, 3), Descriptors.param(d, 4));
        if (w > ONE) w = ONE;
        if (w < -ONE) w = -ONE;
        uint256 kind = _min(_param(d, 2, 0), GELU_ERF);
        int256 g = _curve(kind, w);
        return Numbers.rs(g * (kind < 2 ? Descriptors.param(d, 5) : x), Descriptors.param(d, 6));
    }

    /// @dev Tanh, or the factor in 0..1 of the other curves, Q30, at w in Q24.
    function _curve(uint256 kind, int256 w) private pure returns (int256 g) {
        int256 a = Numbers.abs(w);
        if (kind == GELU_ERF) return _bell(w, a);
        int256 z = a;
        if (kind == GELU_TANH) {
            if (a > 1 << 28) a = 1 << 28;
            z = Numbers.rs(Numbers.rs(Numbers.rs(a * a, 24) * a, 24) * 750193, 24);
            z = Numbers.rs((a + z) * 2414040, 28);
        } else {
            z = Numbers.rs(a * 1512775, kind == 0 ? int256(27) : int256(28));
        }
        int256 e = Numbers.exp2(-z, 30);
        int256 top = kind == 0 ? ONE - e : (w < 0 ? e : ONE);
        g = Numbers.div(top * ONE, ONE + e);
        if (kind == 0 && w < 0) g = -g;
    }

    /// @dev The normal distribution at w, Q30, from its tail beyond a = |w|.
    function _bell(int256 w, int256 a) private pure returns (int256) {
        int256 e = Numbers.exp2(-Numbers.rs(Numbers.rs(a * a, 24) * 756388, 28), 30);
        int256 t = Numbers.div(1 << 54, (1 << 24) + Numbers.rs(a * 3886306, 24));
        int256 p = Numbers.rs(569837700 * t, 30);
        p = Numbers.rs((p - 780155054) * t, 30);
        p = Numbers.rs((p + 763115692) * t, 30);
        p = Numbers.rs((p - 152738022) * t, 30);
        p = Numbers.rs((p + 136810596) * t, 30);
        p = Numbers.rs(p * e, 30);
        return w < 0 ? p : ONE - p;
    }

    function _center(Frame memory f, bytes calldata d) private pure returns (int256) {
        int256 x = _one(f, d, 0, Numbers.I32, f.rows * f.last, f.index);
        return x - Numbers.div(_one(f, d, 1, Numbers.I64, 1, 0), int256(_param(d, 0, 0)));
    }
}
