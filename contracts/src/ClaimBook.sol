// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClaimBook} from "./interfaces/IClaimBook.sol";
import {Guarded} from "./Guarded.sol";
import {StakeVault} from "./StakeVault.sol";

/// @title Batches of claims; see IClaimBook
/// @dev A batch is one slot: count 16 bits, until 40, posted 40, cover 128. It never changes until it is released.
abstract contract ClaimBook is IClaimBook, StakeVault, Guarded {
    uint256 public constant MAX_CLAIMS = 8192;

    /// @notice Token units that every claim of a batch reserves, whatever its value.
    uint256 public immutable RESERVE;
    /// @notice Least challenge window in seconds.
    uint256 public immutable WINDOW;

    mapping(bytes32 key => uint256) private _batches;

    constructor(uint256 reserve, uint256 window) {
        RESERVE = reserve;
        WINDOW = window;
    }

    /// @inheritdoc IClaimBook
    function postBatch(bytes32 root, uint256 count, uint256 cover, uint256 until) external {
        if (count == 0 || count > MAX_CLAIMS) revert BadCount(count);
        if (until < block.timestamp + WINDOW) revert WindowTooShort(until, block.timestamp + WINDOW);
        if (until > type(uint40).max || cover > type(uint128).max) revert BadBatch(cover, until);
        // A node that defends itself must be able to show a batch (SPEC 08 §4.10).
        if (_paused(block.timestamp) && _gamesAgainst(msg.sender) == 0) revert Paused(pause.until);
        bytes32 key = keyOf(msg.sender, root);
        if (_batches[key] != 0) revert AlreadyPosted(key);
        _batches[key] = count | (until << 16) | (block.timestamp << 56) | (cover << 96);
        emit BatchPosted(msg.sender, root, count, cover, until);
        _reserve(msg.sender, count * (RESERVE + cover));
    }

    /// @inheritdoc IClaimBook
    function releaseBatch(address node, bytes32 root) external {
        bytes32 key = keyOf(node, root);
        (uint256 count, uint256 until, uint256 posted, uint256 cover) = _batch(key);
        if (count == 0) revert NoBatch(key);
        if (block.timestamp <= until + WINDOW / 2) revert NotReleasable(key, until + WINDOW / 2);
        uint256 amount = count * (RESERVE + cover);
        // Count and time of posting stay: the root cannot be posted again, and claims can still be shown to be in it.
        _batches[key] = _batches[key] & 0xffff | (posted << 56);
        emit BatchReleased(node, root, amount);
        _unreserve(node, amount);
    }

    /// @inheritdoc IClaimBook
    function batches(bytes32 key) external view returns (uint16 count, uint40 until, uint40 posted, uint128 cover) {
        (uint256 c, uint256 u, uint256 p, uint256 v) = _batch(key);
        (count, until, posted, cover) = (uint16(c), uint40(u), uint40(p), uint128(v));
    }

    /// @inheritdoc IClaimBook
    function keyOf(address node, bytes32 root) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(node, root));
    }

    function _batch(bytes32 key)
        internal
        view
        returns (uint256 count, uint256 until, uint256 posted, uint256 cover)
    {
        uint256 slot = _batches[key];
        (count, until, posted, cover) = (uint16(slot), uint40(slot >> 16), uint40(slot >> 56), uint128(slot >> 96));
        if (until == 0) count = 0; // released
    }

    /// @dev The claims of a batch that was posted, whether it is released or not.
    function _posted(bytes32 key) internal view returns (uint256 count) {
        count = uint16(_batches[key]);
    }
}
