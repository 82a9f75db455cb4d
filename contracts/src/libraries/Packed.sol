// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Reads packed big-endian fields at absolute calldata positions
/// @notice Positions are checked by `take`: a parser walks a payload front to back and ends exactly at its end.
library Packed {
    /// @notice The payload is shorter or longer than its fields.
    error PayloadLength(uint256 pos, uint256 end);

    /// @notice Position and end of `data` in calldata.
    function bounds(bytes calldata data) internal pure returns (uint256 pos, uint256 end) {
        assembly ("memory-safe") {
            pos := data.offset
        }
        end = pos + data.length;
    }

    /// @notice The position after `size` bytes from `pos`, which must lie in the payload.
    function take(uint256 pos, uint256 size, uint256 end) internal pure returns (uint256 next) {
        next = pos + size;
        if (next > end) revert PayloadLength(next, end);
    }

    /// @notice The payload must be used up.
    function done(uint256 pos, uint256 end) internal pure {
        if (pos != end) revert PayloadLength(pos, end);
    }

    /// @notice Unsigned integer of `size` bytes (1..32) at `pos`.
    function uintAt(uint256 pos, uint256 size) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), calldataload(pos))
        }
    }

    /// @notice The 32 bytes at `pos`.
    function word(uint256 pos) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(pos)
        }
    }

    /// @notice keccak of `size` bytes at `pos`.
    function hash(uint256 pos, uint256 size) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, pos, size)
            value := keccak256(p, size)
        }
    }
}
