// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClaimBook} from "./interfaces/IClaimBook.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title Batches of claims; see IClaimBook
contract ClaimBook is IClaimBook {
    struct Batch {
        uint16 count;
        uint16 refuted;
        uint16 games;
        uint40 until;
        uint40 posted;
        uint128 cover;
    }

    uint256 public constant MAX_CLAIMS = 8192;

    IStakeVault public immutable VAULT;
    /// @notice Token units that every claim of a batch reserves, whatever its value.
    uint256 public immutable RESERVE;
    /// @notice Least challenge window in seconds.
    uint256 public immutable WINDOW;

    /// @inheritdoc IClaimBook
    mapping(bytes32 key => Batch) public batches;

    constructor(address vault, uint256 reserve, uint256 window) {
        if (vault.code.length == 0) revert BadParameter("vault", uint256(uint160(vault)));
        if (reserve == 0 || reserve > type(uint96).max) revert BadParameter("reserve", reserve);
        if (window == 0 || window > 365 days) revert BadParameter("window", window);
        VAULT = IStakeVault(vault);
        RESERVE = reserve;
        WINDOW = window;
    }

    modifier onlyArena() {
        if (msg.sender != VAULT.arena()) revert NotArena(msg.sender);
        _;
    }

    /// @inheritdoc IClaimBook
    function postBatch(bytes32 root, uint256 count, uint256 cover, uint256 until) external {
        if (count == 0 || count > MAX_CLAIMS) revert BadCount(count);
        if (until < block.timestamp + WINDOW) revert WindowTooShort(until, block.timestamp + WINDOW);
        if (until > type(uint40).max) revert BadParameter("until", until);
        if (cover > type(uint128).max) revert BadParameter("cover", cover);
        bytes32 key = keyOf(msg.sender, root);
        if (batches[key].posted != 0) revert AlreadyPosted(key);
        batches[key] = Batch(uint16(count), 0, 0, uint40(until), uint40(block.timestamp), uint128(cover));
        emit BatchPosted(msg.sender, root, count, cover, until);
        VAULT.reserve(msg.sender, count * RESERVE + cover);
    }

    /// @inheritdoc IClaimBook
    function releaseBatch(address node, bytes32 root) external {
        bytes32 key = keyOf(node, root);
        Batch memory batch = batches[key];
        if (batch.count == 0) revert NoBatch(key);
        if (block.timestamp <= batch.until || batch.games != 0) revert NotReleasable(key, batch.until, batch.games);
        uint256 amount = uint256(batch.count - batch.refuted) * RESERVE + batch.cover;
        // The time of posting stays, so that the root cannot be posted again.
        batches[key] = Batch(0, 0, 0, 0, batch.posted, 0);
        emit BatchReleased(node, root, amount);
        VAULT.unreserve(node, amount);
    }

    /// @inheritdoc IClaimBook
    function openGame(bytes32 key) external onlyArena {
        if (batches[key].count == 0) revert NoBatch(key);
        batches[key].games += 1;
    }

    /// @inheritdoc IClaimBook
    function closeGame(bytes32 key) external onlyArena {
        batches[key].games -= 1;
    }

    /// @inheritdoc IClaimBook
    function convict(bytes32 key, uint256 value) external onlyArena returns (uint256 wanted, uint256 reserved) {
        wanted = RESERVE + value;
        if (key == 0) return (wanted, 0);
        Batch storage batch = batches[key];
        uint256 cover = batch.cover < value ? batch.cover : value;
        batch.cover -= uint128(cover);
        batch.refuted += 1;
        reserved = RESERVE + cover;
    }

    /// @inheritdoc IClaimBook
    function keyOf(address node, bytes32 root) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(node, root));
    }
}
