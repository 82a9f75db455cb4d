// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "../Check.sol";
import {IStepVerifier, Read} from "../../src/interfaces/IStepVerifier.sol";
import {Descriptors} from "../../src/libraries/Descriptors.sol";

/// @notice Values and reads worked out by hand from SPEC 02 §4, one or two for each family.
contract EvaluatorsTest is Check {
    IStepVerifier private linear = IStepVerifier(deploy("LinearEvaluator", ""));
    IStepVerifier private reduce = IStepVerifier(deploy("ReduceEvaluator", ""));
    IStepVerifier private elementwise = IStepVerifier(deploy("ElementwiseEvaluator", ""));
    IStepVerifier private attention = IStepVerifier(deploy("AttentionEvaluator", ""));
    IStepVerifier private sampler = IStepVerifier(deploy("SamplerEvaluator", ""));

    /// @dev Parts of a descriptor; `dims` are the last two, each (c, k).
    struct Form {
        uint8 op;
        uint8 dtype;
        uint32 window;
        uint32[4] dims;
        bytes sources;
        int64[8] p;
    }

    /// op 9: K = 70 is two chunks of 64; element (1, 1) covers inputs 64..69 and the second leaf of row 1.
    function testMatmulPartial() public view {
        Form memory f = _form(9, 4, [uint32(3), 0, 2, 0], hex"01030200");
        (f.p[0], f.p[1]) = (70, 64);
        bytes memory x = bytes.concat(hex"0100feff0300fcff0500faff", _fill(52, 0xaa)); // 1 -2 3 -4 5 -6, then padding
        bytes memory w = bytes.concat(hex"0a14e21e0581", _fill(58, 0x77)); // 10 20 -30 30 5 -127
        (int256 v, Read[] memory r) = _run(linear, f, _context(0), 3, bytes.concat(x, w));
        same(v, int256(10 - 40 - 90 - 120 + 25 + 762), "value");
        same(r.length, 2, "reads");
        _read(r[0], [uint256(1), 3, 140, 64, 128, 140]);
        _read(r[1], [uint256(2), 0, 3 * 2 * 64, 64, 192, 198]);
    }

    /// op 10: rs((7 - 3) * 5, 3 - 1) = 5, into i32.
    function testRow() public view {
        Form memory f = _form(10, 3, [uint32(1), 0, 4, 0], hex"010103000105");
        f.p[0] = 2;
        bytes memory data = bytes.concat(
            _at(32, hex"0700000000000000fdffffffffffffff"), _at(16, hex"0500000003000000"), _at(0, hex"01")
        );
        (int256 v, Read[] memory r) = _run(linear, f, _context(0), 2, data);
        same(v, int256(5), "value");
        _read(r[0], [uint256(1), 1, 64, 64, 32, 48]);
        _read(r[1], [uint256(3), 0, 32, 64, 16, 24]);
        _read(r[2], [uint256(1), 5, 8, 64, 0, 8]);
    }

    /// op 1: an id outside the vocabulary acts as 0.
    function testEmbed() public view {
        Form memory f = _form(1, 3, [uint32(1), 0, 60, 0], hex"02000300");
        (f.p[0], f.p[1], f.p[2]) = (10, 64, 64);
        bytes memory data = bytes.concat(_at(2, hex"f6"), _at(56, hex"0700000001000000"));
        (int256 v, Read[] memory r) = _run(linear, f, _context(7), 2, data);
        same(v, int256(-35), "rs(-10 * 7, 1)");
        _read(r[0], [uint256(2), 0, 640, 64, 7 * 64 + 2, 7 * 64 + 3]);
        (, r) = _run(linear, f, _context(11), 2, data);
        _read(r[0], [uint256(2), 0, 640, 64, 2, 3]);
    }

    /// ops 2..6 over the second chunk of a row of five: elements 3 and 4.
    function testReductions() public view {
        Form memory f = _form(2, 4, [uint32(2), 0, 2, 0], hex"01020104");
        (f.p[0], f.p[2], f.p[3]) = (5, 3, 3);
        bytes memory x = _at(32, hex"feffffff02000000"); // -2, 2 at elements 3, 4 of row 1
        same(_value(reduce, f, 3, x), int256(2), "max_abs");
        f.op = 3;
        same(_value(reduce, f, 3, x), int256(2), "max");
        f.op = 4;
        same(_value(reduce, f, 3, x), int256(0), "sum");
        f.op = 5;
        same(_value(reduce, f, 3, x), int256(2 * (1 << 32) + (1 << 32) - 1 - 4), "arg_key");
        f.op = 6; // max 2^25 has 26 bits: s = 2, floor(-2/4) = -1, floor(2/4) = 0
        same(_value(reduce, f, 3, bytes.concat(x, _at(0, hex"00000002"))), int256(1), "sum_squares");
    }

    /// arg_key takes the lower index of equals.
    function testArgKeyOfEqualsIsTheFirst() public view {
        Form memory f = _form(5, 4, [uint32(1), 0, 1, 0], hex"0102");
        (f.p[0], f.p[2], f.p[3]) = (12, 256, 3);
        bytes memory x = new bytes(64);
        (x[36], x[40]) = (0x09, 0x09);
        same(_value(reduce, f, 0, x), int256(9 * (1 << 32) + (1 << 32) - 1 - 9), "key");
    }

    function testNorm() public view {
        Form memory f = _form(7, 4, [uint32(1), 0, 2, 0], hex"01010102");
        (f.p[0], f.p[1]) = (1000, 64);
        // max 2^25: s = 2, floor(64 / 16) = 4, isqrt(96 + 4) = 10, floor(1000 / 10)
        bytes memory data = bytes.concat(_at(0, hex"60"), _at(0, hex"00000002"));
        same(_value(elementwise, f, 0, data), int256(100), "inv");
        same(_value(elementwise, f, 1, data), int256(2), "s");
        f = _form(8, 2, [uint32(1), 0, 4, 0], hex"010101020200");
        (f.p[0], f.p[1]) = (1, 1);
        // rs(9 * 100, 1 + 2) = 113, rs(113 * -3, 1) = -169
        data = bytes.concat(_at(4, hex"09"), _at(0, hex"640000000000000002"), _at(4, hex"fdffffff"));
        same(_value(elementwise, f, 1, data), int256(-169), "norm_apply");
    }

    function testElementwise() public view {
        Form memory f = _form(11, 3, [uint32(1), 0, 4, 0], hex"01010102");
        bytes memory two = bytes.concat(_at(8, hex"ffffff7f"), _at(8, hex"02"));
        same(_value(elementwise, f, 2, two), int256(type(int32).max), "add saturates");
        (f.op, f.p[1]) = (12, 30);
        same(_value(elementwise, f, 2, two), int256(4), "mul");
        (f.op, f.p[1]) = (16, 2);
        f.dtype = 2;
        same(_value(elementwise, f, 2, bytes.concat(_at(8, hex"0a"), _at(0, hex"02"))), int256(3), "quant by a tensor");
        f.sources = hex"0101";
        same(_value(elementwise, f, 2, _at(8, hex"0a")), int256(3), "quant by p1");
        (f.op, f.dtype) = (13, 3);
        same(_value(elementwise, f, 2, _at(8, hex"f6ffffff")), int256(0), "relu");
        f = _form(15, 4, [uint32(1), 0, 1, 0], hex"0101");
        same(_value(elementwise, f, 0, _at(0, hex"007f")), int256(0), "scale of 32512");
        same(_value(elementwise, f, 0, _at(0, hex"017f")), int256(1), "scale of 32513");
        same(_value(elementwise, f, 0, _at(0, hex"0000000000000080")), int256(49), "scale of -2^63");
    }

    /// silu_mul at g = 0: sigmoid is a half but g is 0; at a large g it is g * u.
    function testSiluMul() public view {
        Form memory f = _form(14, 3, [uint32(1), 0, 1, 0], hex"01010102");
        (f.p[1], f.p[2]) = (8, 0);
        same(_value(elementwise, f, 0, bytes.concat(_at(0, hex"00"), _at(0, hex"05"))), int256(0), "0");
        same(_value(elementwise, f, 0, bytes.concat(_at(0, hex"0040"), _at(0, hex"05"))), int256(81920), "16384 * 5");
        same(_value(elementwise, f, 0, bytes.concat(_at(0, hex"00c0ffff"), _at(0, hex"05"))), int256(0), "-16384 * 5");
    }

    /// op 17, half style, hd 4, rd 4: dim 3 pairs with dim 1; cos 0 and sin 1 turn by a quarter.
    function testRope() public view {
        Form memory f = _form(17, 2, [uint32(1), 0, 8, 0], hex"01010200");
        (f.p[0], f.p[1], f.p[2], f.p[4], f.p[5]) = (8, 4, 4, 1, 4);
        bytes memory data = bytes.concat(_at(20, hex"07"), _at(28, hex"09"), _at(24, hex"0000000000000040"));
        (int256 v, Read[] memory r) = _run(attention, f, _context(0), 7, data);
        same(v, int256(7), "u * sin + v * cos");
        _read(r[0], [uint256(1), 1, 32, 64, 20, 24]);
        _read(r[1], [uint256(1), 1, 32, 64, 28, 32]);
        _read(r[2], [uint256(2), 0, 4 * 2 * 8, 64, 24, 32]); // t = 1, pair 1
        (v,) = _run(attention, f, _context(0), 5, data);
        same(v, int256(-9), "u * cos - v * sin");
    }

    /// op 18 at t = 1: position 0 lies in the KV tree, position 1 in the stage's own row.
    function testScoreReadsTheTreeThenItsOwnRow() public view {
        Form memory f = _form(18, 3, [uint32(2), 0, 1, 1], hex"010101020400");
        (f.p[0], f.p[1], f.p[2], f.p[5], f.p[6]) = (2, 1, 10, 4, 2);
        (f.p[4], f.p[7]) = (1, 3 << 16 | 2 << 8 | 1);
        bytes memory q = _at(4, hex"0300feff"); // head 1: 3, -2
        bytes memory k = bytes.concat(_fill(4, 0x55), hex"0400ffff", _fill(504, 0x55)); // 4, -1
        (int256 v, Read[] memory r) = _run(attention, f, _context(0), 2, bytes.concat(q, k));
        same(v, int256(140), "(12 + 2) * 10");
        uint256 leaf = ((0 << 2 | 1) * 2 + 0) << 1;
        _read(r[1], [uint256(4), 0, 512 << 7, 512, leaf * 512 + 4, leaf * 512 + 8]);
        (, r) = _run(attention, f, _context(0), 3, bytes.concat(q, k));
        _read(r[1], [uint256(1), 2, 8, 512, 4, 8]);
    }

    /// op 20 within a window of one: only the own row is seen.
    function testTransposeWithinAWindow() public view {
        Form memory f = _form(20, 2, [uint32(4), 0, 1, 1], hex"04000102");
        (f.window, f.p[5], f.p[7]) = (1, 4, 3 << 16);
        (int256 v, Read[] memory r) =
            _run(attention, f, _context(0), 3, bytes.concat(_fill(6, 0), hex"feff", _fill(504, 0)));
        same(v, int256(-2), "value");
        _read(r[0], [uint256(1), 2, 8, 512, 6, 8]);
    }

    /// op 21 at t = 1: two positions; op 19 and 22.
    function testMixExp2AndDiv() public view {
        Form memory f = _form(21, 4, [uint32(2), 0, 1, 128], hex"01010102");
        (f.p[0], f.p[1], f.p[2], f.p[5]) = (2, 1, 1, 2);
        bytes memory data = bytes.concat(_at(0, hex"0300000005000000"), _at(4, hex"feff0700"));
        same(_value(attention, f, 1, data), int256(3 * -2 + 5 * 7), "mix");
        f = _form(19, 3, [uint32(1), 0, 1, 1], hex"01010102");
        (f.p[0], f.p[1], f.p[2]) = (1, 1, 24);
        data = bytes.concat(_at(4, hex"00000100"), _at(0, hex"00000300"));
        same(_value(attention, f, 1, data), int256(1 << 22), "2^(1 - 3) in Q24");
        f = _form(22, 2, [uint32(1), 0, 4, 0], hex"01010102");
        f.p[1] = 2;
        same(_value(attention, f, 3, bytes.concat(_at(24, hex"07"), _at(8, hex"02"))), int256(4), "7 / 2");
    }

    /// ops 25, 26: prefix sums 2, 2, 7, 8 of chunk 1; r = 2 falls on the third.
    function testSelectAndToken() public view {
        Form memory f = _form(25, 4, [uint32(1), 0, 2, 0], hex"01010102");
        (f.p[0], f.p[1], f.p[2]) = (8, 4, 3);
        bytes memory data = bytes.concat(_at(0, hex"010000000000000002"), _at(16, hex"02000000000000000500000001"));
        same(_value(sampler, f, 0, data), int256(6), "index");
        same(_value(sampler, f, 1, data), int256(0), "remainder");
        data[0] = 0x63; // chunk 99 acts as the last
        same(_value(sampler, f, 0, data), int256(6), "clamped");
        data[8] = 0x63; // beyond the sum: the last index
        same(_value(sampler, f, 0, data), int256(7), "last");
        f = _form(26, 3, [uint32(1), 0, 1, 0], hex"010101020103");
        data = bytes.concat(_at(0, hex"fcffffff01"), _at(0, hex"01"), _at(0, hex"2a"));
        same(_value(sampler, f, 0, data), int256(42), "drawn");
        data[64] = 0; // Z = 0
        same(_value(sampler, f, 0, data), int256(3), "greatest");
    }

    /// op 24: u from SHA-256("draw" | seed | t); Z = 2^62 leaves the upper 62 bits of u.
    function testDraw() public view {
        Form memory f = _form(24, 4, [uint32(1), 0, 1, 0], hex"0101");
        uint256 u = uint64(bytes8(sha256(bytes.concat("draw", bytes8(uint64(42)), bytes4(uint32(1))))));
        same(_value(sampler, f, 0, _at(0, hex"0000000000000040")), int256(u >> 2), "draw");
        same(_value(sampler, f, 0, _at(0, hex"0000000000000080")), int256(0), "negative Z");
        f = _form(23, 3, [uint32(1), 0, 1, 0], hex"0101");
        f.p[1] = 65536;
        same(_value(sampler, f, 0, _at(0, hex"09")), int256(18), "temperature a half");
    }

    /// ops 27, 28 with t = 1, m = 2, maxNew 5, tMax 9, three stop ids.
    function testStopAndPrompt() public view {
        Form memory f = _form(27, 3, [uint32(1), 0, 1, 0], hex"0101060001020103");
        bytes memory run = _at(0, hex"00"); // a grammar that goes on
        bytes memory ids = bytes.concat(_at(0, hex"010000000500000007"), _at(0, hex"00"), run);
        (int256 v, Read[] memory r) = _run(sampler, f, _context(0), 0, bytes.concat(_at(0, hex"07"), ids));
        same(v, int256(1), "end id");
        _read(r[1], [uint256(6), 0, 12, 64, 0, 12]);
        same(_value(sampler, f, 0, bytes.concat(_at(0, hex"08"), ids)), int256(0), "run");
        bytes memory c = _context(0);
        c[15] = 0x01; // maxNew 1: t + 2 - m = 1
        (v,) = _run(sampler, f, c, 0, bytes.concat(_at(0, hex"08"), ids));
        same(v, int256(3), "length");
        (c[15], c[19]) = (0x05, 0x02); // tMax 2
        (v,) = _run(sampler, f, c, 0, bytes.concat(_at(0, hex"08"), ids));
        same(v, int256(4), "context full");
        ids = bytes.concat(_at(0, hex"010000000500000007"), _at(0, hex"ffffffff"), run);
        (v, r) = _run(sampler, f, c, 0, bytes.concat(_at(0, hex"08"), ids));
        same(v, int256(2), "stop string");
        _read(r[2], [uint256(1), 2, 4, 64, 0, 4]);
        (v,) = _run(sampler, f, c, 0, bytes.concat(_at(0, hex"07"), ids));
        same(v, int256(1), "end id before a stop string");
        ids = bytes.concat(_at(0, hex"010000000500000007"), _at(0, hex"ffffffff"), _at(0, hex"ffffffff"));
        (v, r) = _run(sampler, f, c, 0, bytes.concat(_at(0, hex"07"), ids));
        same(v, int256(6), "a grammar that refuses all before everything else");
        _read(r[3], [uint256(1), 3, 4, 64, 0, 4]);
        f = _form(28, 3, [uint32(1), 0, 1, 0], hex"0500");
        (v, r) = _run(sampler, f, _context(0), 0, _at(4, hex"63"));
        same(v, int256(99), "prompt[min(2, 1)]");
        _read(r[0], [uint256(5), 0, 8, 64, 4, 8]);
    }

    function testWhatDoesNotFitReverts() public {
        Form memory f = _form(13, 3, [uint32(1), 0, 4, 0], hex"0101");
        bytes memory d = _encode(f);
        bytes memory c = _context(0);
        vm.expectRevert(abi.encodeWithSelector(IStepVerifier.DataLength.selector, 63, 64));
        elementwise.evaluate(d, c, 0, new bytes(63));
        vm.expectRevert(abi.encodeWithSelector(IStepVerifier.DataLength.selector, 128, 64));
        elementwise.evaluate(d, c, 0, new bytes(128));
        vm.expectRevert(abi.encodeWithSelector(IStepVerifier.IndexOutOfRange.selector, 4, 4));
        elementwise.evaluate(d, c, 4, new bytes(64));
        vm.expectRevert(abi.encodeWithSelector(IStepVerifier.UnknownOp.selector, 13));
        sampler.evaluate(d, c, 0, new bytes(64));
        vm.expectRevert(abi.encodeWithSelector(Descriptors.WrongLength.selector, 192, 79));
        elementwise.evaluate(d, new bytes(79), 0, new bytes(64));
        f.sources = "";
        d = _encode(f);
        vm.expectRevert(abi.encodeWithSelector(IStepVerifier.BadDescriptor.selector, 13));
        elementwise.evaluate(d, c, 0, new bytes(64));
        f.dims[2] = 0;
        d = _encode(f);
        vm.expectRevert(Descriptors.BadTarget.selector);
        elementwise.evaluate(d, c, 0, new bytes(64));
    }

    function _form(uint8 op, uint8 dtype, uint32[4] memory dims, bytes memory sources)
        private
        pure
        returns (Form memory f)
    {
        (f.op, f.dtype, f.dims, f.sources) = (op, dtype, dims, sources);
    }

    function _encode(Form memory f) private pure returns (bytes memory d) {
        d = bytes.concat(abi.encodePacked(f.op, f.dtype, uint16(64), f.window, uint32(1), uint32(0)));
        for (uint256 i = 0; i < 4; ++i) {
            d = bytes.concat(d, bytes4(f.dims[i]));
        }
        d = bytes.concat(d, f.sources, new bytes(8 - f.sources.length));
        for (uint256 i = 0; i < 8; ++i) {
            d = bytes.concat(d, bytes8(uint64(f.p[i])));
        }
        d = bytes.concat(d, new bytes(24), keccak256("root A"), keccak256("root B"));
    }

    /// @dev t = 1, m = 2, maxNew 5, tMax 9, temperature a half, seed 42, three stop ids.
    function _context(uint32 yPrev) private pure returns (bytes memory) {
        return abi.encodePacked(
            uint32(1), uint32(2), yPrev, uint32(5), uint32(9), uint32(32768), uint64(42), uint8(3), bytes7(0), bytes32(0), bytes8(0)
        );
    }

    function _run(IStepVerifier v, Form memory f, bytes memory context, uint64 index, bytes memory data)
        private
        view
        returns (int256, Read[] memory)
    {
        return v.evaluate(_encode(f), context, index, data);
    }

    function _value(IStepVerifier v, Form memory f, uint64 index, bytes memory data) private view returns (int256 x) {
        (x,) = v.evaluate(_encode(f), _context(0), index, data);
    }

    function _read(Read memory r, uint256[6] memory want) private pure {
        same(r.kind, want[0], "kind");
        same(r.index, want[1], "index");
        same(r.totalBytes, want[2], "totalBytes");
        same(r.leafBytes, want[3], "leafBytes");
        same(r.lo, want[4], "lo");
        same(r.hi, want[5], "hi");
    }

    function _fill(uint256 size, bytes1 v) private pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            out[i] = v;
        }
    }

    /// @dev A leaf of 64 bytes, zero but for `part` at `offset`.
    function _at(uint256 offset, bytes memory part) private pure returns (bytes memory) {
        return bytes.concat(new bytes(offset), part, new bytes(64 - offset - part.length));
    }
}
