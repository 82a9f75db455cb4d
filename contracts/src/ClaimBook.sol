// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClaimBook} from "./interfaces/IClaimBook.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title Batches of claims; see IClaimBook
contract ClaimBook is IClaimBook {
    /// @dev One slot: count 16 bits, refuted 16, games 16, until 40, posted 40, cover 128.
    struct Batch {
        uint256 count;
        uint256 refuted;
        uint256 games;
        uint256 until;
        uint256 posted;
        uint256 cover;
    }

    uint256 public constant MAX_CLAIMS = 8192;

    IStakeVault public immutable VAULT;
    /// @notice Token units that every claim of a batch reserves, whatever its value.
    uint256 public immutable RESERVE;
    /// @notice Least challenge window in seconds.
    uint256 public immutable WINDOW;
    address private immutable ARENA;

    mapping(bytes32 key => uint256) private _batches;

    constructor(address vault, uint256 reserve, uint256 window) {
        if (vault.code.length == 0) revert BadParameter("vault", uint256(uint160(vault)));
        if (reserve == 0 || reserve > type(uint96).max) revert BadParameter("reserve", reserve);
        if (window == 0 || window > 365 days) revert BadParameter("window", window);
        VAULT = IStakeVault(vault);
        ARENA = VAULT.arena();
        RESERVE = reserve;
        WINDOW = window;
    }

    modifier onlyArena() {
        if (msg.sender != ARENA) revert NotArena(msg.sender);
        _;
    }

    /// @inheritdoc IClaimBook
    function postBatch(bytes32 root, uint256 count, uint256 cover, uint256 until) external {
        if (count == 0 || count > MAX_CLAIMS) revert BadCount(count);
        if (until < block.timestamp + WINDOW) revert WindowTooShort(until, block.timestamp + WINDOW);
        if (until > type(uint40).max) revert BadParameter("until", until);
        if (cover > type(uint128).max) revert BadParameter("cover", cover);
        bytes32 key = keyOf(msg.sender, root);
        if (_batches[key] != 0) revert AlreadyPosted(key);
        _store(key, Batch(count, 0, 0, until, block.timestamp, cover));
        emit BatchPosted(msg.sender, root, count, cover, until);
        VAULT.reserve(msg.sender, count * RESERVE + cover);
    }

    /// @inheritdoc IClaimBook
    function releaseBatch(address node, bytes32 root) external {
        bytes32 key = keyOf(node, root);
        Batch memory b = _batch(key);
        if (b.count == 0) revert NoBatch(key);
        if (block.timestamp <= b.until || b.games != 0) revert NotReleasable(key, b.until, b.games);
        uint256 amount = (b.count - b.refuted) * RESERVE + b.cover;
        // The time of posting stays, so that the root cannot be posted again.
        _store(key, Batch(0, 0, 0, 0, b.posted, 0));
        emit BatchReleased(node, root, amount);
        VAULT.unreserve(node, amount);
    }

    /// @inheritdoc IClaimBook
    function batches(bytes32 key)
        external
        view
        returns (uint16 count, uint16 refuted, uint16 games, uint40 until, uint40 posted, uint128 cover)
    {
        Batch memory b = _batch(key);
        (count, refuted, games) = (uint16(b.count), uint16(b.refuted), uint16(b.games));
        (until, posted, cover) = (uint40(b.until), uint40(b.posted), uint128(b.cover));
    }

    /// @inheritdoc IClaimBook
    function openGame(bytes32 key) external onlyArena {
        Batch memory b = _batch(key);
        if (b.count == 0) revert NoBatch(key);
        if (b.games == type(uint16).max) revert BadParameter("games", b.games);
        b.games += 1;
        _store(key, b);
    }

    /// @inheritdoc IClaimBook
    function closeGame(bytes32 key) external onlyArena {
        Batch memory b = _batch(key);
        b.games -= 1;
        _store(key, b);
    }

    /// @inheritdoc IClaimBook
    function convict(bytes32 key, uint256 value) external onlyArena returns (uint256 wanted, uint256 reserved) {
        wanted = RESERVE + value;
        if (key == 0) return (wanted, 0);
        Batch memory b = _batch(key);
        uint256 cover = b.cover < value ? b.cover : value;
        b.cover -= cover;
        b.refuted += 1;
        b.games -= 1;
        _store(key, b);
        reserved = RESERVE + cover;
    }

    /// @inheritdoc IClaimBook
    function keyOf(address node, bytes32 root) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(node, root));
    }

    function _batch(bytes32 key) private view returns (Batch memory b) {
        uint256 slot = _batches[key];
        (b.count, b.refuted, b.games) = (uint16(slot), uint16(slot >> 16), uint16(slot >> 32));
        (b.until, b.posted, b.cover) = (uint40(slot >> 48), uint40(slot >> 88), slot >> 128);
    }

    /// @dev Every field is below the bound of its width: refuted and games never exceed what is checked where they grow,
    /// as each refuted claim was a claim of the batch.
    function _store(bytes32 key, Batch memory b) private {
        _batches[key] =
            b.count | (b.refuted << 16) | (b.games << 32) | (b.until << 48) | (b.posted << 88) | (b.cover << 128);
    }
}
