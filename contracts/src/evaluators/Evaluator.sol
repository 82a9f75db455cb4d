// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStepVerifier, Read} from "../interfaces/IStepVerifier.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";

/// @notice One evaluation in progress.
/// @param op Op code.
/// @param index Flat element index in the target.
/// @param t Step.
/// @param len Positions attended at t (SPEC 02 §1.4).
/// @param rows Product of the target's dims but the last.
/// @param last The target's last dim.
/// @param cursor Calldata position of the first byte of data not yet taken.
/// @param count Reads so far.
/// @param reads The reads; four slots.
struct Frame {
    uint256 op;
    uint256 index;
    uint256 t;
    uint256 len;
    uint256 rows;
    uint256 last;
    uint256 cursor;
    uint256 count;
    Read[] reads;
}

/// @title What every evaluator has in common: parse, take reads, saturate, check lengths
/// @dev An element function takes its reads in order; each returns the calldata position of its first byte. Bytes
/// beyond `data` may be looked at while a length is wrong, but then the evaluation reverts at its end.
abstract contract Evaluator is IStepVerifier {
    uint256 internal constant LEAF_BYTES = 64;
    uint256 internal constant KV_LEAF_BYTES = 512;

    /// @inheritdoc IStepVerifier
    function evaluate(bytes calldata descriptor, bytes calldata context, uint64 index, bytes calldata data)
        external
        view
        returns (int256 value, Read[] memory reads)
    {
        Frame memory f = _open(descriptor, context, index);
        uint256 start;
        assembly ("memory-safe") {
            start := data.offset
        }
        f.cursor = start;
        value = Numbers.sat(_element(f, descriptor, context), Descriptors.elementType(descriptor));
        if (f.cursor - start != data.length) revert DataLength(data.length, f.cursor - start);
        reads = f.reads;
        uint256 count = f.count;
        assembly ("memory-safe") {
            mstore(reads, count)
        }
    }

    /// @dev The element before saturation; one function per family of ops.
    function _element(Frame memory f, bytes calldata d, bytes calldata c) internal view virtual returns (int256);

    /// @dev Checks lengths, geometry and index.
    function _open(bytes calldata d, bytes calldata c, uint256 index) private pure returns (Frame memory f) {
        Descriptors.requireLengths(d, c);
        f.op = Descriptors.op(d);
        f.index = index;
        f.t = Descriptors.time(c);
        f.len = Descriptors.attended(d, f.t);
        (uint256 n0, uint256 n1, uint256 n2) = Descriptors.dims(d, f.t);
        f.rows = n0 * n1;
        f.last = n2;
        uint256 count = f.rows * n2;
        uint256 dtype = Descriptors.elementType(d);
        if (dtype == 0 || dtype > Numbers.I64 || count >> 60 != 0) revert Descriptors.BadTarget();
        if (index >= count) revert IndexOutOfRange(index, count);
        Read[] memory reads;
        assembly ("memory-safe") {
            // Four slots, filled as reads are taken; the length becomes their number at the end.
            reads := mload(0x40)
            mstore(reads, 4)
            mstore(0x40, add(reads, 160))
        }
        f.reads = reads;
    }

    /// @dev Takes elements [lo, hi) of type `dtype` of source `slot`, which has `count` elements in 64-byte leaves.
    function _take(Frame memory f, bytes calldata d, uint256 slot, uint256 dtype, uint256 count, uint256 lo, uint256 hi)
        internal
        pure
        returns (uint256 offset)
    {
        uint256 s = dtype - 1;
        return _takeBytes(f, d, slot, LEAF_BYTES, count << s, lo << s, hi << s);
    }

    /// @dev Takes the one element `i` and decodes it.
    function _one(Frame memory f, bytes calldata d, uint256 slot, uint256 dtype, uint256 count, uint256 i)
        internal
        pure
        returns (int256)
    {
        return Numbers.element(_take(f, d, slot, dtype, count, i, i + 1), dtype);
    }

    /// @dev Takes bytes [lo, hi) of a source of `total` bytes and returns the calldata position of byte lo.
    function _takeBytes(
        Frame memory f,
        bytes calldata d,
        uint256 slot,
        uint256 leafBytes,
        uint256 total,
        uint256 lo,
        uint256 hi
    ) internal pure returns (uint256 offset) {
        (uint8 kind, uint8 tensor) = Descriptors.source(d, slot);
        if (kind == 0 || lo >= hi || hi > total || total > type(uint64).max || leafBytes > type(uint16).max) {
            revert BadDescriptor(uint8(f.op));
        }
        f.reads[f.count++] = Read(kind, tensor, uint64(total), uint32(leafBytes), uint64(lo), uint64(hi));
        unchecked {
            // leafBytes > 0: it is a constant or was checked by the op.
            uint256 first = lo / leafBytes * leafBytes;
            offset = f.cursor + (lo - first);
            f.cursor += (hi + leafBytes - 1) / leafBytes * leafBytes - first;
        }
    }

    /// @dev Parameter i, at least `least`.
    function _param(bytes calldata d, uint256 i, uint256 least) internal pure returns (uint256) {
        int256 p = Descriptors.param(d, i);
        return p < int256(least) ? least : uint256(p);
    }

    /// @dev Whether source `slot` is present.
    function _has(bytes calldata d, uint256 slot) internal pure returns (bool) {
        (uint8 kind,) = Descriptors.source(d, slot);
        return kind != Descriptors.NONE;
    }

    function _min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @dev s of sum_squares and norm_inv: max(0, bitlen(m) - 24).
    function _normShift(int256 m) internal pure returns (uint256) {
        uint256 n = Numbers.bitlen(m);
        return n > 24 ? n - 24 : 0;
    }
}
