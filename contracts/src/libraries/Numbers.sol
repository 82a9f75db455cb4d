// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Exp2Table} from "./Exp2Table.sol";

/// @title Integers of SPEC 01: rounding, saturation, exp2, and elements read from calldata
/// @dev Values that come from 64-bit elements and parameters stay far inside int256: the widest chain is
/// rs(rs(i32 * i64, -62) * i32, -62), 249 bits. Checked arithmetic stands guard over that claim.
library Numbers {
    uint256 internal constant I8 = 1;
    uint256 internal constant I16 = 2;
    uint256 internal constant I32 = 3;
    uint256 internal constant I64 = 4;

    /// @notice rs(x, s): rounding shift, half towards plus infinity (§3.1).
    function rs(int256 x, int256 s) internal pure returns (int256) {
        if (s == 0) return x;
        if (s < 0) return x * int256(uint256(1) << uint256(s < -62 ? int256(62) : -s));
        uint256 n = uint256(s > 62 ? int256(62) : s);
        return (x + int256(uint256(1) << (n - 1))) >> n;
    }

    /// @notice Clamps x to element type 1..4 (§3.2).
    function sat(int256 x, uint256 dtype) internal pure returns (int256) {
        int256 limit = int256(uint256(1) << ((8 << (dtype - 1)) - 1));
        if (x >= limit) return limit - 1;
        return x < -limit ? -limit : x;
    }

    /// @notice div(a, b): rounded quotient, 0 for b <= 0 (§3.3).
    function div(int256 a, int256 b) internal pure returns (int256) {
        return b <= 0 ? int256(0) : floorDiv(2 * a + b, 2 * b);
    }

    /// @notice floor(a / b) for b > 0.
    function floorDiv(int256 a, int256 b) internal pure returns (int256 q) {
        q = a / b;
        if (a < 0 && q * b != a) --q;
    }

    /// @notice |x|.
    function abs(int256 x) internal pure returns (int256) {
        return x < 0 ? -x : x;
    }

    /// @notice Number of bits of |x|, 0 for 0 (§3.4).
    function bitlen(int256 x) internal pure returns (uint256 n) {
        uint256 a = uint256(abs(x));
        while (a >= 256) {
            a >>= 8;
            n += 8;
        }
        while (a != 0) {
            a >>= 1;
            ++n;
        }
    }

    /// @notice floor(sqrt(x)), 0 for x <= 0 (§3.5).
    function isqrt(int256 x) internal pure returns (int256 r) {
        if (x <= 0) return 0;
        // From above the square root Newton's steps fall until they reach its floor.
        r = int256(uint256(1) << ((bitlen(x) + 1) / 2));
        while (true) {
            int256 next = (r + x / r) / 2;
            if (next >= r) return r;
            r = next;
        }
    }

    /// @notice exp2(x, q): 2^(x / 65536) with q fraction bits for x <= 0; x > 0 acts as 0 (§3.6).
    function exp2(int256 x, int256 q) internal pure returns (int256) {
        if (x > 0) x = 0;
        int256 shift = 30 - q - (x >> 16);
        if (shift > 62) return 0;
        uint256 f = uint256(x) & 0xffff;
        bytes memory table = Exp2Table.ENTRIES;
        uint256 left;
        uint256 right;
        assembly ("memory-safe") {
            let offset := add(table, add(32, shl(2, shr(8, f))))
            left := shr(224, mload(offset))
            right := shr(224, mload(add(offset, 4)))
        }
        f &= 0xff;
        return rs(int256((left * (256 - f) + right * f + 128) >> 8), shift);
    }

    /// @notice The element of type `dtype` whose first byte is at calldata position `offset`.
    function element(uint256 offset, uint256 dtype) internal pure returns (int256 x) {
        assembly ("memory-safe") {
            let w := shr(192, calldataload(offset))
            w := or(and(shr(8, w), 0x00ff00ff00ff00ff), shl(8, and(w, 0x00ff00ff00ff00ff)))
            w := or(and(shr(16, w), 0x0000ffff0000ffff), shl(16, and(w, 0x0000ffff0000ffff)))
            w := or(shr(32, w), shl(32, and(w, 0xffffffff)))
            // All eight bytes are reversed: the element is in the lowest bytes.
            x := signextend(sub(shl(sub(dtype, 1), 1), 1), w)
        }
    }

    /// @notice The i32 at calldata position `offset`.
    function i32(uint256 offset) internal pure returns (int256) {
        return element(offset, I32);
    }

    /// @notice The i64 at calldata position `offset`.
    function i64(uint256 offset) internal pure returns (int256) {
        return element(offset, I64);
    }
}
