// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Rounds of public randomness: BLS signatures that nobody knows before their time (SPEC 11 §2)
/// @notice Holds no value, has no owner. A deployment is one beacon: drand's quicknet, or one of the same form under
/// another key, which is trusted as far as the holder of that key.
interface IBeacon {
    /// @notice The key is no point of the right group, or the period is 0.
    error BadKey();
    /// @notice The bytes are not the beacon's signature of the round.
    error BadRound(uint256 round);
    /// @notice The round was posted before.
    error RoundKnown(uint256 round);

    event Round(uint256 indexed round, bytes32 seed);

    /// @notice Checks and keeps a round; anybody may post any round, once.
    /// @param signature x and y of the signature, 48 bytes each.
    function post(uint256 round, bytes calldata signature) external returns (bytes32 seed);

    /// @notice The seed of a round (the SHA-256 of its compressed signature, its last five bytes zero) and when it was posted;
    /// 0 and 0 if it was not.
    function seedOf(uint256 round) external view returns (bytes32 seed, uint256 postedAt);

    /// @notice The first round that is not due before a time.
    function roundAt(uint256 time) external view returns (uint256 round);

    /// @notice When a round is due, unix seconds.
    function timeOf(uint256 round) external view returns (uint256 time);
}
