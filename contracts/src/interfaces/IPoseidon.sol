// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The hash of leaves of 64 bytes of confidential models (SPEC 10 §4.1)
interface IPoseidon {
    /// @notice Poseidon2 sponge of a leaf of 64 bytes, given as two words; below the order of the field.
    function leaf(bytes32 first, bytes32 second) external pure returns (bytes32 hash);
}
