// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Batches of claims: one slot each, with the stake that stands behind them (SPEC 07 §5, 09 §2)
interface IClaimBook {
    /// @notice A batch has 1..8192 claims.
    error BadCount(uint256 count);
    /// @notice The batch ends before the least challenge window is over.
    error WindowTooShort(uint256 until, uint256 least);
    /// @notice The node has posted that root before; a batch is never posted twice.
    error AlreadyPosted(bytes32 batch);
    /// @notice There is no such batch, or it was released.
    error NoBatch(bytes32 batch);
    /// @notice The batch can be released only after that time.
    error NotReleasable(bytes32 batch, uint256 time);
    /// @notice The end of a batch's window or its cover is above what its slot can hold.
    error BadBatch(uint256 cover, uint256 until);

    event BatchPosted(address indexed node, bytes32 indexed root, uint256 count, uint256 cover, uint256 until);
    event BatchReleased(address indexed node, bytes32 indexed root, uint256 amount);

    /// @notice Posts the keccak tree of `count` claim digests and reserves count * (RESERVE + cover) of the sender's stake.
    /// @param cover Token units: what stands behind every claim of the batch beyond RESERVE. A claim of a higher value is
    /// covered by the batch only so far.
    /// @param until Unix seconds: the claims may be challenged at least until then; at least now + W.
    function postBatch(bytes32 root, uint256 count, uint256 cover, uint256 until) external;

    /// @notice Gives the reserve of a batch back to the node's free stake, W/2 after its end, when every commit of its window
    /// was opened or never can be: games hold stake of their own. Anyone may call it.
    function releaseBatch(address node, bytes32 root) external;

    /// @notice The batch's key: keccak(node | root).
    function keyOf(address node, bytes32 root) external pure returns (bytes32);

    /// @notice A batch: claims posted, end of its window, time of posting, cover of each claim. A released batch has count 0
    /// and a time of posting.
    function batches(bytes32 key) external view returns (uint16 count, uint40 until, uint40 posted, uint128 cover);
}
