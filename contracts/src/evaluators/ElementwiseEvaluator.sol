// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";

/// @title Norms and elementwise ops: norm_inv (7), norm_apply (8), add (11), mul (12), relu (13), silu_mul (14),
/// scale (15), quant (16)
contract ElementwiseEvaluator is Evaluator {
    /// @dev log2(e) in Q16.
    int256 private constant LOG2_E = 94548;
    /// @dev Largest magnitude of a quantised activation, 127 * 256.
    int256 private constant ACT_MAX = 32512;

    function _element(Frame memory f, bytes calldata d, bytes calldata) internal pure override returns (int256) {
        uint256 n = f.rows * f.last;
        if (f.op == 7) return _normInv(f, d);
        if (f.op == 8) return _normApply(f, d, n);
        if (f.op == 15) return _scale(_one(f, d, 0, Numbers.I64, 1, 0));
        if (f.op < 11 || f.op > 16) revert UnknownOp(uint8(f.op));
        int256 x = _one(f, d, 0, Numbers.I32, n, f.index);
        if (f.op == 13) return x > 0 ? x : int256(0);
        if (f.op == 16) {
            return Numbers.rs(x, _has(d, 1) ? _one(f, d, 1, Numbers.I64, 1, 0) : Descriptors.param(d, 1));
        }
        int256 a = _one(f, d, 1, Numbers.I32, n, f.index);
        if (f.op == 11) return x + a;
        if (f.op == 12) return Numbers.rs(x * a, Descriptors.param(d, 1));
        return _siluMul(x, a, Descriptors.param(d, 1), Descriptors.param(d, 2));
    }

    function _normInv(Frame memory f, bytes calldata d) private pure returns (int256) {
        int256 sum = _one(f, d, 0, Numbers.I64, 1, 0);
        uint256 s = _normShift(_one(f, d, 1, Numbers.I64, 1, 0));
        if (f.index == 1) return int256(s);
        int256 r = Numbers.isqrt(sum + (Descriptors.param(d, 1) >> _min(2 * s, 62)));
        return r == 0 ? int256(0) : Numbers.floorDiv(Descriptors.param(d, 0), r);
    }

    function _normApply(Frame memory f, bytes calldata d, uint256 n) private pure returns (int256) {
        int256 x = _one(f, d, 0, Numbers.I32, n, f.index);
        uint256 offset = _take(f, d, 1, Numbers.I64, 2, 0, 2);
        int256 z = Numbers.rs(x * Numbers.i64(offset), Descriptors.param(d, 0) + Numbers.i64(offset + 8));
        if (!_has(d, 2)) return z;
        return Numbers.rs(z * _one(f, d, 2, Numbers.I32, n, f.index), Descriptors.param(d, 1));
    }

    /// @dev g * sigmoid(g) * u with g in `bits` fraction bits, shifted right by `shift`.
    function _siluMul(int256 g, int256 u, int256 bits, int256 shift) private pure returns (int256) {
        int256 e = Numbers.exp2(-Numbers.rs(Numbers.abs(g) * LOG2_E, bits), 30);
        int256 sigmoid = Numbers.div(g >= 0 ? int256(1 << 60) : e * (1 << 30), (1 << 30) + e);
        return Numbers.rs(Numbers.rs(g * sigmoid, 30) * u, shift);
    }

    /// @dev Least s in 0..62 with rs(|m|, s) <= 32512, 62 if none.
    function _scale(int256 m) private pure returns (int256) {
        m = Numbers.abs(m);
        uint256 n = Numbers.bitlen(m);
        // Below bitlen - 15 the quotient has at least 16 bits.
        int256 s = n > 15 ? int256(n - 15) : int256(0);
        while (s < 62 && Numbers.rs(m, s) > ACT_MAX) ++s;
        return s;
    }
}
