// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";

/// @title Stop strings: stop_state (34)
contract StringsEvaluator is Evaluator {
    /// @dev Strings of a request, bytes of each, bytes that a token adds to the text.
    uint256 private constant STRINGS = 4;
    uint256 private constant STRING_BYTES = 64;
    uint256 private constant TOKEN_BYTES = 128;
    /// @dev Bytes of a word.
    uint256 private constant WORD = 32;
    /// @dev The state once a string is complete, as an element and in the context.
    int256 private constant DONE = -1;
    uint256 private constant DONE_STATE = 0xffffffff;

    function _element(Frame memory f, bytes calldata d, bytes calldata c) internal pure override returns (int256) {
        if (f.op != 34) revert UnknownOp(uint8(f.op));
        uint256 lens = Descriptors.stopLengths(c);
        uint256 state = Descriptors.stopState(c);
        if (lens == 0) return 0;
        if (state == DONE_STATE) return DONE;
        (uint256 added, uint256 count) = _tokenBytes(f, d);
        uint256 table = _take(f, d, 3, Numbers.I8, STRINGS * STRING_BYTES, 0, STRINGS * STRING_BYTES);
        uint256 text;
        assembly ("memory-safe") {
            // A string, a token, and what a word at the last byte reads beyond both.
            text := mload(0x40)
            mstore(0x40, add(text, 256))
        }
        uint256 next = 0;
        for (uint256 s = 0; s < STRINGS; ++s) {
            uint256 length = _min((lens >> (8 * s)) & 0xff, STRING_BYTES);
            if (length == 0) continue;
            uint256 had = _min((state >> (8 * s)) & 0xff, length - 1);
            uint256 n = _overlap(text, _join(text, table + STRING_BYTES * s, had, added, count), table + STRING_BYTES * s, length);
            if (n == length) return DONE;
            next |= n << (8 * s);
        }
        return int256(next);
    }

    /// @dev Calldata position and number of the bytes of token y, at most TOKEN_BYTES and inside the tensor of all.
    function _tokenBytes(Frame memory f, bytes calldata d) private pure returns (uint256 offset, uint256 count) {
        int256 y = _one(f, d, 0, Numbers.I32, 1, 0);
        uint256 rows = _param(d, 0, 1);
        uint256 total = _param(d, 1, 1);
        uint256 row = y < 0 || uint256(y) >= rows ? 0 : uint256(y);
        uint256 place = _take(f, d, 1, Numbers.I32, 2 * rows, 2 * row, 2 * row + 2);
        uint256 lo = _min(_positive(Numbers.i32(place)), total - 1);
        count = _min(_min(_positive(Numbers.i32(place + 4)), TOKEN_BYTES), total - lo);
        if (count != 0) offset = _take(f, d, 2, Numbers.I8, total, lo, lo + count);
    }

    function _positive(int256 v) private pure returns (uint256) {
        return v < 0 ? 0 : uint256(v);
    }

    /// @dev Writes `had` bytes of a string and `count` bytes of a token to memory at `text`; returns their number.
    function _join(uint256 text, uint256 want, uint256 had, uint256 added, uint256 count)
        private
        pure
        returns (uint256)
    {
        assembly ("memory-safe") {
            calldatacopy(text, want, had)
            calldatacopy(add(text, had), added, count)
        }
        return had + count;
    }

    /// @dev `length` if the n bytes at `text` contain the string at calldata position `want`, else the length of their
    /// longest end that it begins with.
    function _overlap(uint256 text, uint256 n, uint256 want, uint256 length) private pure returns (uint256) {
        uint256 i = 0;
        if (n >= length) {
            uint256 places = n - length + 1;
            i = length > WORD ? _long(text, places, want, length, 0) : _short(text, places, want, length, 0);
            if (i < places) return length;
        }
        uint256 left = n - i;
        if (left > WORD) {
            uint256 places = left - WORD;
            i = _long(text + n - left, places, want, left, 1);
            if (i < places) return left - i;
            left = WORD;
        }
        return left - _short(text + n - left, left, want, left, 1);
    }

    /// @dev The first of `places` places from `text` on whose bytes are those at calldata position `want`, or `places`.
    /// At most a word of m bytes is compared, `fewer` less at each further place; the bytes beyond are shifted out.
    /// Four places are looked at before one branch.
    function _short(uint256 text, uint256 places, uint256 want, uint256 m, uint256 fewer)
        private
        pure
        returns (uint256 i)
    {
        assembly ("memory-safe") {
            function same(p, a, cut) -> yes {
                yes := iszero(shr(cut, xor(mload(p), a)))
            }
            let a := calldataload(want)
            let cut := mul(8, sub(32, m))
            let step := mul(8, fewer)
            let p := text
            let end := add(text, places)
            for {} lt(add(p, 3), end) { p := add(p, 4) } {
                let next := add(cut, step)
                let last := add(add(next, step), step)
                if or(
                    or(same(p, a, cut), same(add(p, 1), a, next)),
                    or(same(add(p, 2), a, add(next, step)), same(add(p, 3), a, last))
                ) { break }
                cut := add(last, step)
            }
            for {} lt(p, end) { p := add(p, 1) } {
                if same(p, a, cut) { break }
                cut := add(cut, step)
            }
            i := sub(p, text)
        }
    }

    /// @dev As _short for more than a word: m is the bytes of both.
    function _long(uint256 text, uint256 places, uint256 want, uint256 m, uint256 fewer)
        private
        pure
        returns (uint256 i)
    {
        assembly ("memory-safe") {
            function same(p, a, b, cut) -> yes {
                yes := iszero(or(xor(mload(p), a), shr(cut, xor(mload(add(p, 32)), b))))
            }
            let a := calldataload(want)
            let b := calldataload(add(want, 32))
            let cut := mul(8, sub(64, m))
            let step := mul(8, fewer)
            let p := text
            let end := add(text, places)
            for {} lt(add(p, 3), end) { p := add(p, 4) } {
                let next := add(cut, step)
                let last := add(add(next, step), step)
                if or(
                    or(same(p, a, b, cut), same(add(p, 1), a, b, next)),
                    or(same(add(p, 2), a, b, add(next, step)), same(add(p, 3), a, b, last))
                ) { break }
                cut := add(last, step)
            }
            for {} lt(p, end) { p := add(p, 1) } {
                if same(p, a, b, cut) { break }
                cut := add(cut, step)
            }
            i := sub(p, text)
        }
    }
}
