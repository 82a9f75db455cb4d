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
    /// @notice The batch can be released only after `until` and with no open game.
    error NotReleasable(bytes32 batch, uint256 until, uint256 games);
    /// @notice Only the arena may call this.
    error NotArena(address sender);
    /// @notice The least reserve or window of the deployment is out of range.
    error BadParameter(string name, uint256 value);

    event BatchPosted(address indexed node, bytes32 indexed root, uint256 count, uint256 cover, uint256 until);
    event BatchReleased(address indexed node, bytes32 indexed root, uint256 amount);

    /// @notice Posts the keccak tree of `count` claim digests and reserves count * RESERVE + cover of the sender's stake.
    /// @param cover Token units: the sum of the values of the batch's claims. A claim is covered beyond RESERVE only as
    /// far as the batch's cover reaches.
    /// @param until Unix seconds: the claims may be challenged at least until then; at least now + WINDOW.
    function postBatch(bytes32 root, uint256 count, uint256 cover, uint256 until) external;

    /// @notice Gives the reserve of an ended batch back to the node's free stake. Anyone may call it.
    function releaseBatch(address node, bytes32 root) external;

    /// @notice The batch's key: keccak(node | root).
    function keyOf(address node, bytes32 root) external pure returns (bytes32);

    /// @notice A batch: claims posted, claims refuted, open games, end of its window, cover left, time of posting.
    /// A released batch has count 0 and a time of posting.
    function batches(bytes32 key)
        external
        view
        returns (uint16 count, uint16 refuted, uint16 games, uint40 until, uint40 posted, uint128 cover);

    /// @notice Arena only: a game on a claim of the batch was opened. It holds the batch until `closeGame`.
    function openGame(bytes32 key) external;

    /// @notice Arena only: that game has ended.
    function closeGame(bytes32 key) external;

    /// @notice Arena only: a game has ended and refuted a claim of that value, the first time that it was refuted.
    /// @param key The batch, or 0 when the claim was signed but not posted.
    /// @return wanted What the node is to lose: RESERVE + value.
    /// @return reserved How much of it this batch had reserved.
    function convict(bytes32 key, uint256 value) external returns (uint256 wanted, uint256 reserved);
}
