// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Numbers} from "./Numbers.sol";

/// @title Reductions and dot products over packed little-endian elements in calldata
/// @dev Several elements are worked on in one word. Signed lanes are made unsigned by flipping their top bit; a product
/// of two words with one of them in reverse lane order has the sum of the lane products in its top lane, and the bias
/// is taken back at the end. No lane ever carries into the next: the bound stands with each function. A last partial
/// word is cut to zero lanes, which add nothing.
library NumbersVector {
    uint256 private constant BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant PAIRS = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    uint256 private constant QUADS = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant EVEN64 = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
    uint256 private constant LOW16 = 0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff;
    uint256 private constant SIGN16 = 0x8000800080008000800080008000800080008000800080008000800080008000;
    uint256 private constant SIGN32 = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant ONES = 0x0000000000000001000000000000000100000000000000010000000000000001;
    uint256 private constant BIT32 = 0x0000000100000000000000010000000000000001000000000000000100000000;

    /// @notice Sum of `count` elements i32 from calldata position `offset`.
    function sum32(uint256 offset, uint256 count) internal pure returns (int256 sum) {
        assembly ("memory-safe") {
            for { let end := add(offset, shl(2, count)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                let rest := sub(end, offset)
                if lt(rest, 32) { w := shl(sub(256, shl(3, rest)), shr(sub(256, shl(3, rest)), w)) }
                w := or(shl(8, and(w, BYTES)), and(shr(8, w), BYTES))
                w := xor(or(shl(16, and(w, PAIRS)), and(shr(16, w), PAIRS)), SIGN32)
                // Eight lanes below 2^32 in two words of four: their sum is below 2^35.
                w := add(and(w, QUADS), and(shr(32, w), QUADS))
                sum := sub(add(sum, shr(192, mul(w, ONES))), shl(34, 1))
            }
        }
    }

    /// @notice Sum of `count` elements i64 from calldata position `offset`.
    function sum64(uint256 offset, uint256 count) internal pure returns (int256 sum) {
        assembly ("memory-safe") {
            for { let end := add(offset, shl(3, count)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                let rest := sub(end, offset)
                if lt(rest, 32) { w := shl(sub(256, shl(3, rest)), shr(sub(256, shl(3, rest)), w)) }
                w := or(shl(8, and(w, BYTES)), and(shr(8, w), BYTES))
                w := or(shl(16, and(w, PAIRS)), and(shr(16, w), PAIRS))
                w := or(shl(32, and(w, QUADS)), and(shr(32, w), QUADS))
                sum := add(sum, add(sar(192, w), signextend(7, shr(128, w))))
                sum := add(sum, add(signextend(7, shr(64, w)), signextend(7, w)))
            }
        }
    }

    /// @notice Greatest of `count` > 0 elements i32 from calldata position `offset`, of their magnitudes if `magnitude`.
    /// @dev Lanes of 64 bits hold values below 2^33; bit 33 tells which of two lanes is not less.
    function max32(uint256 offset, uint256 count, bool magnitude) internal pure returns (int256 max) {
        assembly ("memory-safe") {
            // Biased by 2^31 the least value is 0; magnitudes are not biased.
            let best := 0
            for { let end := add(offset, shl(2, count)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                w := or(shl(8, and(w, BYTES)), and(shr(8, w), BYTES))
                w := or(shl(16, and(w, PAIRS)), and(shr(16, w), PAIRS))
                let high := and(shr(32, w), QUADS)
                let low := and(w, QUADS)
                switch magnitude
                case 0 {
                    high := xor(high, shr(1, BIT32))
                    low := xor(low, shr(1, BIT32))
                }
                default {
                    let s := and(shr(31, high), ONES)
                    high := add(xor(high, sub(shl(32, s), s)), s)
                    s := and(shr(31, low), ONES)
                    low := add(xor(low, sub(shl(32, s), s)), s)
                }
                let rest := shr(2, sub(end, offset))
                if lt(rest, 8) {
                    // Lanes beyond the end become 0, the least value: element i is in half i mod 2, lane i / 2.
                    let cut := sub(256, shl(6, shr(1, add(rest, 1))))
                    high := shl(cut, shr(cut, high))
                    cut := sub(256, shl(6, shr(1, rest)))
                    low := shl(cut, shr(cut, low))
                }
                let m := and(sub(or(high, shl(1, BIT32)), low), shl(1, BIT32))
                high := xor(low, and(xor(high, low), sub(m, shr(33, m))))
                m := and(sub(or(high, shl(1, BIT32)), best), shl(1, BIT32))
                best := xor(best, and(xor(high, best), sub(m, shr(33, m))))
            }
            for { let i := 0 } lt(i, 4) { i := add(i, 1) } {
                let v := and(best, 0xffffffffffffffff)
                best := shr(64, best)
                if gt(v, max) { max := v }
            }
            max := sub(max, shl(31, iszero(magnitude)))
        }
    }

    /// @notice Index of the first of `count` elements i32 from `offset` that equals `value`; `count` if none does.
    function find32(uint256 offset, uint256 count, int256 value) internal pure returns (uint256 index) {
        assembly ("memory-safe") {
            let v := and(value, 0xffffffff)
            v := or(shl(8, and(v, BYTES)), and(shr(8, v), BYTES))
            v := or(shl(16, and(v, PAIRS)), and(shr(16, v), PAIRS))
            let all := mul(v, add(ONES, BIT32))
            for {} lt(index, count) { index := add(index, 8) } {
                let w := xor(calldataload(add(offset, shl(2, index))), all)
                // Bit 32 of a lane survives the subtraction of one iff the lane is not zero.
                let a := sub(or(and(w, QUADS), BIT32), ONES)
                let b := sub(or(and(shr(32, w), QUADS), BIT32), ONES)
                if iszero(eq(and(and(a, b), BIT32), BIT32)) { break }
            }
            for {} lt(index, count) { index := add(index, 1) } {
                if eq(shr(224, calldataload(add(offset, shl(2, index)))), v) { break }
            }
            if gt(index, count) { index := count }
        }
    }

    /// @notice Sum of floor(x_i / 2^shift)^2 over `count` elements i32 from calldata position `offset`.
    function squares32(uint256 offset, uint256 count, uint256 shift) internal pure returns (int256 sum) {
        assembly ("memory-safe") {
            for { let end := add(offset, shl(2, count)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                let rest := sub(end, offset)
                if lt(rest, 32) { w := shl(sub(256, shl(3, rest)), shr(sub(256, shl(3, rest)), w)) }
                w := or(shl(8, and(w, BYTES)), and(shr(8, w), BYTES))
                w := or(shl(16, and(w, PAIRS)), and(shr(16, w), PAIRS))
                let v := sar(shift, sar(224, w))
                sum := add(sum, mul(v, v))
                v := sar(shift, signextend(3, shr(192, w)))
                sum := add(sum, mul(v, v))
                v := sar(shift, signextend(3, shr(160, w)))
                sum := add(sum, mul(v, v))
                v := sar(shift, signextend(3, shr(128, w)))
                sum := add(sum, mul(v, v))
                v := sar(shift, signextend(3, shr(96, w)))
                sum := add(sum, mul(v, v))
                v := sar(shift, signextend(3, shr(64, w)))
                sum := add(sum, mul(v, v))
                v := sar(shift, signextend(3, shr(32, w)))
                sum := add(sum, mul(v, v))
                v := sar(shift, signextend(3, w))
                sum := add(sum, mul(v, v))
            }
        }
    }

    /// @notice How many whole words of eight i32, the last element excepted, can be taken from `rest` before a prefix
    /// sum exceeds it, and what is left of `rest` then. A word with a negative element ends the walk.
    function skip32(uint256 offset, uint256 count, int256 rest) internal pure returns (uint256 skipped, int256 left) {
        assembly ("memory-safe") {
            left := rest
            for {} lt(add(skipped, 8), count) { skipped := add(skipped, 8) } {
                let w := calldataload(add(offset, shl(2, skipped)))
                w := or(shl(8, and(w, BYTES)), and(shr(8, w), BYTES))
                w := or(shl(16, and(w, PAIRS)), and(shr(16, w), PAIRS))
                if and(w, SIGN32) { break }
                w := shr(192, mul(add(and(w, QUADS), and(shr(32, w), QUADS)), ONES))
                if sgt(w, left) { break }
                left := sub(left, w)
            }
        }
    }

    /// @notice The first index whose element exceeds what is left of `rest` after subtracting the elements before it,
    /// or the last index; and what is left there.
    function walk(int256[] memory x, int256 rest) internal pure returns (uint256 index, int256 left) {
        assembly ("memory-safe") {
            left := rest
            let p := add(x, 32)
            for { let last := add(x, shl(5, mload(x))) } lt(p, last) { p := add(p, 32) } {
                let v := mload(p)
                if sgt(v, left) { break }
                left := sub(left, v)
            }
            index := sub(shr(5, sub(p, x)), 1)
        }
    }

    /// @notice Sum of x_i * y_i over `count` pairs of i16 at calldata positions `x` and `y`.
    /// @dev 16 pairs per turn, four lanes of 64 bits; a top lane is below 2^34. At most 2^12 pairs.
    function dot16x16(uint256 x, uint256 y, uint256 count) internal pure returns (int256 sum) {
        assembly ("memory-safe") {
            let biases := 0 // lanes of sum(x' + y')
            let turns := 0
            for { let end := add(y, shl(1, count)) } lt(y, end) {
                y := add(y, 32)
                x := add(x, 32)
            } {
                let a := calldataload(x)
                let b := calldataload(y)
                let rest := sub(end, y)
                if lt(rest, 32) { b := shl(sub(256, shl(3, rest)), shr(sub(256, shl(3, rest)), b)) }
                a := xor(or(shl(8, and(a, BYTES)), and(shr(8, a), BYTES)), SIGN16)
                b := xor(or(shl(8, and(b, BYTES)), and(shr(8, b), BYTES)), SIGN16)
                // Quadruples of y in reverse order.
                b := or(shr(128, b), shl(128, b))
                b := or(and(shr(64, b), EVEN64), shl(64, and(b, EVEN64)))

                let p := and(shr(48, a), LOW16)
                let q := and(shr(48, b), LOW16)
                sum := add(sum, shr(192, mul(p, q)))
                biases := add(biases, add(p, q))
                p := and(shr(32, a), LOW16)
                q := and(shr(32, b), LOW16)
                sum := add(sum, shr(192, mul(p, q)))
                biases := add(biases, add(p, q))
                p := and(shr(16, a), LOW16)
                q := and(shr(16, b), LOW16)
                sum := add(sum, shr(192, mul(p, q)))
                biases := add(biases, add(p, q))
                p := and(a, LOW16)
                q := and(b, LOW16)
                sum := add(sum, shr(192, mul(p, q)))
                biases := add(biases, add(p, q))
                turns := add(turns, 1)
            }
            // x*y = x'y' - 2^15 (x' + y') + 2^30, 16 pairs per turn
            sum := sub(add(sum, shl(34, turns)), shl(15, shr(192, mul(biases, ONES))))
        }
    }

    /// @notice Sum of x_i * y_i over `count` pairs, x i32 at calldata position `x`, y i16 at `y`.
    /// @dev 16 pairs per turn, four lanes of 64 bits; a top lane is below 2^50. At most 2^12 pairs.
    function dot32x16(uint256 x, uint256 y, uint256 count) internal pure returns (int256 sum) {
        assembly ("memory-safe") {
            let sumx := 0 // lanes of sum(x') ...
            let sumy := 0 // ... and of sum(y')
            let wide := 0x000000000000000000000000ffffffff000000000000000000000000ffffffff
            let start := y
            for { let end := add(y, shl(1, count)) } lt(y, end) {
                y := add(y, 32)
                x := add(x, 64)
            } {
                let v := calldataload(y)
                let rest := sub(end, y)
                if lt(rest, 32) { v := shl(sub(256, shl(3, rest)), shr(sub(256, shl(3, rest)), v)) }
                v := xor(or(shl(8, and(v, BYTES)), and(shr(8, v), BYTES)), SIGN16)
                // Quadruples 0 1 2 3 of y become 3 1 2 0; those of x come as 0 2 1 3.
                let swap := and(xor(v, shr(192, v)), shr(192, not(0)))
                v := xor(v, or(swap, shl(192, swap)))
                let a := calldataload(x)
                let b := calldataload(add(x, 32))
                a := or(shl(8, and(a, BYTES)), and(shr(8, a), BYTES))
                b := or(shl(8, and(b, BYTES)), and(shr(8, b), BYTES))
                a := xor(or(shl(16, and(a, PAIRS)), and(shr(16, a), PAIRS)), SIGN32)
                b := xor(or(shl(16, and(b, PAIRS)), and(shr(16, b), PAIRS)), SIGN32)

                let p := or(shl(64, and(shr(96, a), wide)), and(shr(96, b), wide))
                let q := and(shr(48, v), LOW16)
                sum := add(sum, shr(192, mul(p, q)))
                sumx := add(sumx, p)
                sumy := add(sumy, q)
                p := or(and(a, shl(64, wide)), and(shr(64, b), wide))
                q := and(shr(32, v), LOW16)
                sum := add(sum, shr(192, mul(p, q)))
                sumx := add(sumx, p)
                sumy := add(sumy, q)
                p := or(shl(64, and(shr(32, a), wide)), and(shr(32, b), wide))
                q := and(shr(16, v), LOW16)
                sum := add(sum, shr(192, mul(p, q)))
                sumx := add(sumx, p)
                sumy := add(sumy, q)
                p := or(shl(64, and(a, wide)), and(b, wide))
                q := and(v, LOW16)
                sum := add(sum, shr(192, mul(p, q)))
                sumx := add(sumx, p)
                sumy := add(sumy, q)
            }
            // x*y = x'y' - 2^15 x' - 2^31 y' + 2^46, 16 pairs per 32 bytes of y
            sum := add(sum, shl(45, sub(y, start)))
            sum := sub(sub(sum, shl(15, shr(192, mul(sumx, ONES)))), shl(31, shr(192, mul(sumy, ONES))))
        }
    }

    /// @notice Sum of x_i * w_i over `count` pairs, x i16 at calldata position `x`, w i8 at calldata position `w`.
    /// @dev 32 pairs per turn. Both sides are made unsigned (x + 2^15, w + 2^7) and laid out in eight lanes of 32 bits,
    /// w in the reverse order of x: then the top lane of the 256-bit product is the sum of eight products (below 2^27,
    /// as are all lanes: nothing carries over). The bias is taken back from the sums of x' and w'. At most 2^12 pairs.
    function dot16x8(uint256 x, uint256 w, uint256 count) internal pure returns (int256 sum) {
        uint256 whole = count & ~uint256(31);
        assembly ("memory-safe") {
            let w8 := 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff
            let sums := 0 // lanes of sum(x') ...
            let sumw := 0 // ... and of sum(w')
            for { let end := add(w, whole) } lt(w, end) {
                w := add(w, 32)
                x := add(x, 64)
            } {
                let v := xor(calldataload(w), 0x8080808080808080808080808080808080808080808080808080808080808080)
                // Quadruples of weights 0..7 from the top become 7,3,6,2,5,1,4,0: reverse, then interleave the halves.
                v := or(shr(128, v), shl(128, v)) // 4 5 6 7 0 1 2 3
                v := or(and(shr(64, v), EVEN64), shl(64, and(v, EVEN64))) // 6 7 4 5 2 3 0 1
                v := or(and(shr(32, v), QUADS), shl(32, and(v, QUADS))) // 7 6 5 4 3 2 1 0
                let mid := 0x000000000000000000000000000000000000000000000000ffffffffffffffff
                let c := and(xor(shr(64, v), v), shl(64, mid)) // swap the middle 64-bit lanes
                v := xor(v, or(c, shl(64, c))) // 7 6 3 2 5 4 1 0
                c := and(xor(shr(32, v), v), 0x0000000000000000ffffffff000000000000000000000000ffffffff00000000)
                v := xor(v, or(c, shl(32, c))) // 7 3 6 2 5 1 4 0

                let a := calldataload(x)
                let b := calldataload(add(x, 32))
                a := or(shl(8, and(a, BYTES)), and(shr(8, a), BYTES))
                b := or(shl(8, and(b, BYTES)), and(shr(8, b), BYTES))
                a := xor(a, SIGN16)
                b := xor(b, SIGN16)

                let p := or(shl(32, and(shr(48, a), LOW16)), and(shr(48, b), LOW16))
                let q := and(shr(24, v), w8)
                sum := add(sum, shr(224, mul(p, q)))
                sums := add(sums, p)
                sumw := add(sumw, q)
                p := or(and(a, shl(32, LOW16)), and(shr(32, b), LOW16))
                q := and(shr(16, v), w8)
                sum := add(sum, shr(224, mul(p, q)))
                sums := add(sums, p)
                sumw := add(sumw, q)
                p := or(shl(32, and(shr(16, a), LOW16)), and(shr(16, b), LOW16))
                q := and(shr(8, v), w8)
                sum := add(sum, shr(224, mul(p, q)))
                sums := add(sums, p)
                sumw := add(sumw, q)
                p := or(shl(32, and(a, LOW16)), and(b, LOW16))
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

    /// @notice `count` elements of type `dtype` from calldata position `offset`, sign-extended in a fresh array.
    /// @dev Decodes whole words; the array is allocated for them and then cut to `count`.
    function decode(uint256 offset, uint256 dtype, uint256 count) internal pure returns (int256[] memory out) {
        uint256 perWord = 64 >> dtype;
        out = _room(count, perWord);
        uint256 words = (count + perWord - 1) / perWord;
        if (dtype == Numbers.I32) _decode32(offset, out, words);
        else if (dtype == Numbers.I64) _decode64(offset, out, words);
        else if (dtype == Numbers.I16) _decode16(offset, out, words);
        else _decode8(offset, out, words);
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
            let p := add(out, 32)
            for { let end := add(offset, shl(5, words)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                w := or(shl(8, and(w, BYTES)), and(shr(8, w), BYTES))
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
            let p := add(out, 32)
            for { let end := add(offset, shl(5, words)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                w := or(shl(8, and(w, BYTES)), and(shr(8, w), BYTES))
                w := or(shl(16, and(w, PAIRS)), and(shr(16, w), PAIRS))
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
            let p := add(out, 32)
            for { let end := add(offset, shl(5, words)) } lt(offset, end) { offset := add(offset, 32) } {
                let w := calldataload(offset)
                w := or(shl(8, and(w, BYTES)), and(shr(8, w), BYTES))
                w := or(shl(16, and(w, PAIRS)), and(shr(16, w), PAIRS))
                w := or(shl(32, and(w, QUADS)), and(shr(32, w), QUADS))
                mstore(p, signextend(7, shr(192, w)))
                mstore(add(p, 0x20), signextend(7, shr(128, w)))
                mstore(add(p, 0x40), signextend(7, shr(64, w)))
                mstore(add(p, 0x60), signextend(7, w))
                p := add(p, 0x80)
            }
        }
    }
}
