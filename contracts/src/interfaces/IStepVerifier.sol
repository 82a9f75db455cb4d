// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One contiguous byte range of a source that an operation looks at (SPEC 02 §3).
/// @param kind Source kind (SPEC 02 §1.2).
/// @param index Tensor of the stage, for kind 1.
/// @param totalBytes Bytes of the whole source, before padding to leaves.
/// @param leafBytes Leaf size of the source's tree.
/// @param lo First byte.
/// @param hi Byte after the last; lo < hi <= totalBytes.
struct Read {
    uint8 kind;
    uint8 index;
    uint64 totalBytes;
    uint32 leafBytes;
    uint64 lo;
    uint64 hi;
}

/// @title A step verifier: computes one element of one tensor from what it reads
/// @notice Stateless and total: on any bytes of the right length it returns a value. It does not know roots; the
/// caller opens every returned read against the root that the read's kind names.
interface IStepVerifier {
    /// @notice The supplied data has not the length that the reads imply.
    error DataLength(uint256 got, uint256 want);
    /// @notice The element index is not below the element count of the target.
    error IndexOutOfRange(uint256 index, uint256 count);
    /// @notice The descriptor is malformed for its op (dims, chunk, types or source kinds).
    error BadDescriptor(uint8 op);
    /// @notice This contract does not evaluate that op.
    error UnknownOp(uint8 op);

    /// @notice Value of one element of the descriptor's target, and where its inputs lie.
    /// @param descriptor Exactly 192 bytes (SPEC 02 §1).
    /// @param context Exactly 80 bytes, big-endian: t u32, m u32, yPrev u32, maxNew u32, tMax u32, temperature u32,
    /// seed u64, stopCount u8, biased u8, two zero bytes, eight settings of the sampler, 12 zero bytes (SPEC 02 §2).
    /// @param index Flat element index in the target, row-major.
    /// @param data For every read in order, the bytes of the leaves that cover it ([floor(lo/leaf)*leaf,
    /// ceil(hi/leaf)*leaf)), concatenated without lengths: they follow from the reads.
    /// @return value The element, already saturated to the target's type.
    /// @return reads At most four ranges, in the order in which `data` holds them.
    function evaluate(bytes calldata descriptor, bytes calldata context, uint64 index, bytes calldata data)
        external
        view
        returns (int256 value, Read[] memory reads);
}
