// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "../Check.sol";
import {Numbers} from "../../src/libraries/Numbers.sol";
import {NumbersVector} from "../../src/libraries/NumbersVector.sol";

/// @notice Calls the vector functions with calldata positions.
contract VectorHarness {
    function sum32(bytes calldata x, uint256 n) external pure returns (int256) {
        return NumbersVector.sum32(_at(x), n);
    }

    function sum64(bytes calldata x, uint256 n) external pure returns (int256) {
        return NumbersVector.sum64(_at(x), n);
    }

    function max32(bytes calldata x, uint256 n, bool magnitude) external pure returns (int256) {
        return NumbersVector.max32(_at(x), n, magnitude);
    }

    function find32(bytes calldata x, uint256 n, int256 v) external pure returns (uint256) {
        return NumbersVector.find32(_at(x), n, v);
    }

    function squares32(bytes calldata x, uint256 n, uint256 shift) external pure returns (int256) {
        return NumbersVector.squares32(_at(x), n, shift);
    }

    function dot16x8(bytes calldata x, bytes calldata w, uint256 n) external pure returns (int256) {
        return NumbersVector.dot16x8(_at(x), _at(w), n);
    }

    function dot16x16(bytes calldata x, bytes calldata y, uint256 n) external pure returns (int256) {
        return NumbersVector.dot16x16(_at(x), _at(y), n);
    }

    function dot32x16(bytes calldata x, bytes calldata y, uint256 n) external pure returns (int256) {
        return NumbersVector.dot32x16(_at(x), _at(y), n);
    }

    function decode(bytes calldata x, uint256 dtype, uint256 n) external pure returns (int256[] memory) {
        return NumbersVector.decode(_at(x), dtype, n);
    }

    function gasOfDot(bytes calldata x, bytes calldata w, uint256 n) external view returns (uint256 used) {
        used = gasleft();
        NumbersVector.dot16x8(_at(x), _at(w), n);
        used -= gasleft();
    }

    function _at(bytes calldata b) private pure returns (uint256 offset) {
        assembly ("memory-safe") {
            offset := b.offset
        }
    }
}

contract NumbersTest is Check {
    VectorHarness private vector;

    function setUp() public {
        vector = new VectorHarness();
    }

    /// SPEC 01 §3.1: half rounds towards plus infinity; shifts act within -62..62.
    function testRoundingShift() public pure {
        same(Numbers.rs(5, 0), int256(5), "s = 0");
        same(Numbers.rs(5, 1), int256(3), "2.5");
        same(Numbers.rs(-5, 1), int256(-2), "-2.5");
        same(Numbers.rs(-6, 2), int256(-1), "-1.5");
        same(Numbers.rs(-7, 2), int256(-2), "-1.75");
        same(Numbers.rs(3, -2), int256(12), "left");
        same(Numbers.rs(1 << 100, 62), int256(1 << 38), "62");
        same(Numbers.rs(1 << 100, type(int64).max), int256(1 << 38), "beyond 62");
        same(Numbers.rs(-1, type(int64).min), -int256(1 << 62), "beyond -62");
    }

    /// SPEC 01 §3.2.
    function testSaturation() public pure {
        same(Numbers.sat(128, 1), int256(127), "i8 high");
        same(Numbers.sat(-129, 1), int256(-128), "i8 low");
        same(Numbers.sat(-128, 1), int256(-128), "i8 least");
        same(Numbers.sat(40000, 2), int256(32767), "i16");
        same(Numbers.sat(-(1 << 31) - 1, 3), -int256(1 << 31), "i32");
        same(Numbers.sat(1 << 200, 4), int256(type(int64).max), "i64");
    }

    /// SPEC 01 §3.3: floor of the rounded quotient, 0 for a divisor that is not positive.
    function testRoundedQuotient() public pure {
        same(Numbers.div(7, 2), int256(4), "3.5");
        same(Numbers.div(-7, 2), int256(-3), "-3.5");
        same(Numbers.div(-8, 3), int256(-3), "-2.67");
        same(Numbers.div(-1, 3), int256(0), "-0.33");
        same(Numbers.div(5, 0), int256(0), "by 0");
        same(Numbers.div(5, -1), int256(0), "by -1");
        same(Numbers.floorDiv(-1, 3), int256(-1), "floor");
        same(Numbers.floorDiv(-3, 3), int256(-1), "exact");
    }

    /// SPEC 01 §3.4, §3.5.
    function testBitlenAndSquareRoot() public pure {
        same(Numbers.bitlen(0), 0, "0");
        same(Numbers.bitlen(255), 8, "255");
        same(Numbers.bitlen(-256), 9, "-256");
        same(Numbers.bitlen(type(int64).min), 64, "least i64");
        same(Numbers.isqrt(-4), int256(0), "-4");
        same(Numbers.isqrt(0), int256(0), "0");
        same(Numbers.isqrt(3), int256(1), "3");
        same(Numbers.isqrt(1 << 62), int256(1 << 31), "2^62");
        same(Numbers.isqrt((1 << 62) - 1), int256((1 << 31) - 1), "2^62 - 1");
    }

    /// SPEC 01 §3.5, by its definition.
    function testFuzzSquareRoot(uint64 x) public pure {
        int256 r = Numbers.isqrt(int256(uint256(x)));
        check(r * r <= int256(uint256(x)) && (r + 1) * (r + 1) > int256(uint256(x)), "floor of the root");
    }

    /// SPEC 01 §3.6.
    function testExp2() public pure {
        same(Numbers.exp2(0, 24), int256(1 << 24), "2^0");
        same(Numbers.exp2(99, 24), int256(1 << 24), "above 0 acts as 0");
        same(Numbers.exp2(-65536, 24), int256(1 << 23), "2^-1");
        same(Numbers.exp2(-32768, 30), int256(759250125), "2^-0.5 in Q30");
        same(Numbers.exp2(-25 * 65536, 24), int256(1), "half a unit rounds up");
        same(Numbers.exp2(-26 * 65536, 24), int256(0), "a quarter rounds down");
        same(Numbers.exp2(-1 << 60, 24), int256(0), "far below");
    }

    /// Every lane function equals the plain sum over elements, whatever the bytes and the count.
    function testFuzzLanesEqualElements(uint256 seed) public view {
        uint256 n = 1 + seed % 70;
        bytes memory a = _bytes(seed, 8 * n);
        bytes memory b = _bytes(seed ^ 1, 8 * n);
        int256[] memory x = _elements(a, 4, n);
        (int256 sum, int256 top, int256 peak, int256 squares) = (0, x[0], 0, 0);
        for (uint256 i = 0; i < n; ++i) {
            sum += x[i];
            squares += (x[i] >> 7) * (x[i] >> 7);
            if (x[i] > top) top = x[i];
            if (Numbers.abs(x[i]) > peak) peak = Numbers.abs(x[i]);
        }
        same(vector.sum32(a, n), sum, "sum32");
        same(vector.squares32(a, n, 7), squares, "squares32");
        same(vector.max32(a, n, false), top, "max32");
        same(vector.max32(a, n, true), peak, "max of magnitudes");
        uint256 i0 = vector.find32(a, n, top);
        same(x[i0], top, "find32");
        for (uint256 i = 0; i < i0; ++i) {
            check(x[i] != top, "an earlier one");
        }
        same(vector.sum64(a, n), _dot(_elements(a, 8, n), _ones(n)), "sum64");
        same(vector.dot16x8(a, b, n), _dot(_elements(a, 2, n), _elements(b, 1, n)), "dot16x8");
        same(vector.dot16x16(a, b, n), _dot(_elements(a, 2, n), _elements(b, 2, n)), "dot16x16");
        same(vector.dot32x16(a, b, n), _dot(x, _elements(b, 2, n)), "dot32x16");
        for (uint256 dtype = 1; dtype <= 4; ++dtype) {
            int256[] memory got = vector.decode(a, dtype, n);
            same(_dot(got, got), _dot(_elements(a, 1 << (dtype - 1), n), got), "decode");
        }
    }

    /// The bounds of the lanes: 512 products of the extremes.
    function testLanesHoldAtTheirBounds() public view {
        bytes memory least16 = _repeat(hex"0080", 1024);
        bytes memory most16 = _repeat(hex"ff7f", 1024);
        same(vector.dot16x8(least16, _repeat(hex"80", 512), 512), int256(512) << 22, "least * least");
        same(vector.dot16x8(most16, _repeat(hex"80", 512), 512), -int256(512 * 128 * 32767), "most * least");
        same(vector.dot16x16(least16, least16, 512), int256(512) << 30, "16 * 16");
        same(vector.dot32x16(_repeat(hex"00000080", 2048), least16, 512), int256(512) << 46, "32 * 16");
        same(vector.max32(_repeat(hex"00000080", 1024), 256, true), int256(1 << 31), "|least|");
        same(vector.max32(_repeat(hex"00000080", 1024), 3, false), -int256(1 << 31), "least");
    }

    /// GAME hole 14 hopes for 65 gas a multiply-accumulate.
    function testAMultiplyAccumulateCostsLessThan40Gas() public view {
        uint256 used = vector.gasOfDot(_repeat(hex"3412", 1024), _repeat(hex"9a", 512), 512);
        check(used < 40 * 512, "512 products cost 40 gas each or more");
    }

    function _bytes(uint256 seed, uint256 size) private pure returns (bytes memory out) {
        out = new bytes(size);
        bytes4 extremes = 0x007f80ff;
        for (uint256 i = 0; i < size; ++i) {
            bytes32 h = keccak256(abi.encode(seed, i));
            out[i] = seed & 4 == 0 ? h[0] : extremes[uint8(h[1]) % 4];
        }
    }

    /// @dev Two's complement, little-endian, one byte after the other.
    function _elements(bytes memory b, uint256 size, uint256 n) private pure returns (int256[] memory out) {
        out = new int256[](n);
        for (uint256 i = 0; i < n; ++i) {
            uint256 v;
            for (uint256 k = 0; k < size; ++k) {
                v += uint256(uint8(b[i * size + k])) << (8 * k);
            }
            int256 full = int256(uint256(1) << (8 * size));
            out[i] = int256(v) >= full / 2 ? int256(v) - full : int256(v);
        }
    }

    function _dot(int256[] memory x, int256[] memory y) private pure returns (int256 s) {
        for (uint256 i = 0; i < x.length; ++i) {
            s += x[i] * y[i];
        }
    }

    function _ones(uint256 n) private pure returns (int256[] memory out) {
        out = new int256[](n);
        for (uint256 i = 0; i < n; ++i) {
            out[i] = 1;
        }
    }

    function _repeat(bytes memory unit, uint256 size) private pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            out[i] = unit[i % unit.length];
        }
    }
}
