// SPDX-License-Identifier: MIT
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

    /// @notice `count` elements of type `dtype` from calldata position `offset`, sign-extended in a fresh array.
    /// @dev Decodes whole words; the array is allocated for them and then cut to `count`.
    function decode(uint256 offset, uint256 dtype, uint256 count) internal pure returns (int256[] memory out) {
        uint256 perWord = 64 >> dtype;
        out = _room(count, perWord);
        uint256 words = (count + perWord - 1) / perWord;
        if (dtype == I32) _decode32(offset, out, words);
        else if (dtype == I64) _decode64(offset, out, words);
        else if (dtype == I16) _decode16(offset, out, words);
        else _decode8(offset, out, words);
    }

    /// @notice Sum of x_i * w_i over `count` pairs, x i16 at calldata position `x`, w i8 at calldata position `w`.
    /// @dev 32 pairs per turn. Both sides are made unsigned (x + 2^15, w + 2^7) and laid out in eight lanes of 32 bits,
    /// w in the reverse order of x: then the top lane of the 256-bit product is the sum of eight products (below 2^27,
    /// as are all lanes: nothing carries over). The bias is taken back from the sums of x' and w'. At most 2^12 pairs.
    function dot16x8(uint256 x, uint256 w, uint256 count) internal pure returns (int256 sum) {
        uint256 whole = count & ~uint256(31);
        assembly ("memory-safe") {
            let byteMask := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            let x16 := 0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff
            let w8 := 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff
            let low32 := 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff
            let low64 := 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff
            let sums := 0 // lanes of sum(x') ...
            let sumw := 0 // ... and of sum(w')
            for { let end := add(w, whole) } lt(w, end) {
                w := add(w, 32)
                x := add(x, 64)
            } {
                let v := xor(calldataload(w), 0x8080808080808080808080808080808080808080808080808080808080808080)
                // Quadruples of weights 0..7 from the top become 7,3,6,2,5,1,4,0: reverse, then interleave the halves.
                v := or(shr(128, v), shl(128, v)) // 4 5 6 7 0 1 2 3
                v := or(and(shr(64, v), low64), shl(64, and(v, low64))) // 6 7 4 5 2 3 0 1
                v := or(and(shr(32, v), low32), shl(32, and(v, low32))) // 7 6 5 4 3 2 1 0
                let mid := 0x000000000000000000000000000000000000000000000000ffffffffffffffff
                let c := and(xor(shr(64, v), v), shl(64, mid)) // swap the middle 64-bit lanes
                v := xor(v, or(c, shl(64, c))) // 7 6 3 2 5 4 1 0
                c := and(xor(shr(32, v), v), 0x0000000000000000ffffffff000000000000000000000000ffffffff00000000)
                v := xor(v, or(c, shl(32, c))) // 7 3 6 2 5 1 4 0

                let a := calldataload(x)
                let b := calldataload(add(x, 32))
                a := or(shl(8, and(a, byteMask)), and(shr(8, a), byteMask))
                b := or(shl(8, and(b, byteMask)), and(shr(8, b), byteMask))
                a := xor(a, 0x8000800080008000800080008000800080008000800080008000800080008000)
                b := xor(b, 0x8000800080008000800080008000800080008000800080008000800080008000)

                let p := or(shl(32, and(shr(48, a), x16)), and(shr(48, b), x16))
                let q := and(shr(24, v), w8)
                sum := add(sum, shr(224, mul(p, q)))
                sums := add(sums, p)
                sumw := add(sumw, q)
                p := or(and(a, shl(32, x16)), and(shr(32, b), x16))
                q := and(shr(16, v), w8)
                sum := add(sum, shr(224, mul(p, q)))
                sums := add(sums, p)
                sumw := add(sumw, q)
                p := or(shl(32, and(shr(16, a), x16)), and(shr(16, b), x16))
                q := and(shr(8, v), w8)
                sum := add(sum, shr(224, mul(p, q)))
                sums := add(sums, p)
                sumw := add(sumw, q)
                p := or(shl(32, and(a, x16)), and(b, x16))
                q := and(v, w8)
                sum := add(sum, shr(224, mul(p, q)))
                sums := add(sums, p)
                sumw := add(sumw, q)
            }
            let ones := 0x0000000100000001000000010000000100000001000000010000000100000001
            sums := shr(224, mul(sums, ones))
            sumw := shr(224, mul(sumw, ones))
            // x*w = x'w' - 2^7 x' - 2^15 w' + 2^22
            sum := sub(sub(add(sum, shl(22, whole)), shl(7, sums)), shl(15, sumw))
            for { let end := add(w, sub(count, whole)) } lt(w, end) {
                w := add(w, 1)
                x := add(x, 2)
            } {
                let e := shr(240, calldataload(x))
                e := signextend(1, or(shr(8, e), shl(8, e)))
                sum := add(sum, mul(e, signextend(0, shr(248, calldataload(w)))))
            }
        }
    }

    /// @notice Sum of products of two arrays of the same length.
    function dot(int256[] memory x, int256[] memory y) internal pure returns (int256 sum) {
        assembly ("memory-safe") {
            let shift := sub(y, x)
            x := add(x, 32)
            for { let end := add(x, shl(5, mload(sub(x, 32)))) } lt(x, end) { x := add(x, 32) } {
                sum := add(sum, mul(mload(x), mload(add(x, shift))))
            }
        }
    }

    /// @dev An array of `count` elements with memory for a whole number of words of source elements; not cleared.
    function _room(uint256 count, uint256 perWord) private pure returns (int256[] memory out) {
        assembly ("memory-safe") {
            out := mload(0x40)
            mstore(out, count)
            mstore(0x40, add(out, shl(5, add(count, add(perWord, 1)))))
        }
    }

    function _decode8(uint256 offset, int256[] memory out, uint256 words) private pure {
        assembly ("memory-safe") {
            let p := add(out, 32)
            for { let end := add(offset, shl(5, words)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                for { let i := 0 } lt(i, 32) { i := add(i, 1) } {
                    mstore(p, signextend(0, byte(i, w)))
                    p := add(p, 32)
                }
            }
        }
    }

    function _decode16(uint256 offset, int256[] memory out, uint256 words) private pure {
        assembly ("memory-safe") {
            let low := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            let p := add(out, 32)
            for { let end := add(offset, shl(5, words)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                w := or(shl(8, and(w, low)), and(shr(8, w), low))
                mstore(p, signextend(1, shr(240, w)))
                mstore(add(p, 0x20), signextend(1, shr(224, w)))
                mstore(add(p, 0x40), signextend(1, shr(208, w)))
                mstore(add(p, 0x60), signextend(1, shr(192, w)))
                mstore(add(p, 0x80), signextend(1, shr(176, w)))
                mstore(add(p, 0xa0), signextend(1, shr(160, w)))
                mstore(add(p, 0xc0), signextend(1, shr(144, w)))
                mstore(add(p, 0xe0), signextend(1, shr(128, w)))
                mstore(add(p, 0x100), signextend(1, shr(112, w)))
                mstore(add(p, 0x120), signextend(1, shr(96, w)))
                mstore(add(p, 0x140), signextend(1, shr(80, w)))
                mstore(add(p, 0x160), signextend(1, shr(64, w)))
                mstore(add(p, 0x180), signextend(1, shr(48, w)))
                mstore(add(p, 0x1a0), signextend(1, shr(32, w)))
                mstore(add(p, 0x1c0), signextend(1, shr(16, w)))
                mstore(add(p, 0x1e0), signextend(1, w))
                p := add(p, 0x200)
            }
        }
    }

    function _decode32(uint256 offset, int256[] memory out, uint256 words) private pure {
        assembly ("memory-safe") {
            let low := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            let pair := 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
            let p := add(out, 32)
            for { let end := add(offset, shl(5, words)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                w := or(shl(8, and(w, low)), and(shr(8, w), low))
                w := or(shl(16, and(w, pair)), and(shr(16, w), pair))
                mstore(p, signextend(3, shr(224, w)))
                mstore(add(p, 0x20), signextend(3, shr(192, w)))
                mstore(add(p, 0x40), signextend(3, shr(160, w)))
                mstore(add(p, 0x60), signextend(3, shr(128, w)))
                mstore(add(p, 0x80), signextend(3, shr(96, w)))
                mstore(add(p, 0xa0), signextend(3, shr(64, w)))
                mstore(add(p, 0xc0), signextend(3, shr(32, w)))
                mstore(add(p, 0xe0), signextend(3, w))
                p := add(p, 0x100)
            }
        }
    }

    function _decode64(uint256 offset, int256[] memory out, uint256 words) private pure {
        assembly ("memory-safe") {
            let low := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            let pair := 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
            let quad := 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff
            let p := add(out, 32)
            for { let end := add(offset, shl(5, words)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                w := or(shl(8, and(w, low)), and(shr(8, w), low))
                w := or(shl(16, and(w, pair)), and(shr(16, w), pair))
                w := or(shl(32, and(w, quad)), and(shr(32, w), quad))
                mstore(p, signextend(7, shr(192, w)))
                mstore(add(p, 0x20), signextend(7, shr(128, w)))
                mstore(add(p, 0x40), signextend(7, shr(64, w)))
                mstore(add(p, 0x60), signextend(7, w))
                p := add(p, 0x80)
            }
        }
    }
}
