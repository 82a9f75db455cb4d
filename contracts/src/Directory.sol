// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDirectory} from "./interfaces/IDirectory.sol";

interface IUnbonding {
    function UNBONDING() external view returns (uint256);
}

/// @title Announcements of arenas; see IDirectory
contract Directory is IDirectory {
    struct Next {
        address arena;
        uint40 due;
    }

    /// @inheritdoc IDirectory
    address public immutable GOVERNOR;
    /// @inheritdoc IDirectory
    uint256 public immutable DELAY;

    /// @inheritdoc IDirectory
    address public current;
    /// @inheritdoc IDirectory
    Next public next;

    constructor(address governor, uint256 delay) {
        (GOVERNOR, DELAY) = (governor, delay);
    }

    modifier onlyGovernor() {
        if (msg.sender != GOVERNOR) revert NotGovernor(msg.sender);
        _;
    }

    /// @inheritdoc IDirectory
    function announce(address arena) external onlyGovernor {
        if (arena.code.length == 0) revert NotArena(arena);
        uint256 delay = DELAY;
        if (current != address(0)) {
            uint256 unbonding = IUnbonding(current).UNBONDING();
            if (unbonding > delay) delay = unbonding;
        }
        uint256 due = block.timestamp + delay;
        next = Next(arena, uint40(due));
        emit Announced(arena, due);
    }

    /// @inheritdoc IDirectory
    function withdraw() external onlyGovernor {
        if (next.arena == address(0)) revert NothingAnnounced();
        emit Withdrawn(next.arena);
        delete next;
    }

    /// @inheritdoc IDirectory
    function change() external {
        Next memory n = next;
        if (n.arena == address(0)) revert NothingAnnounced();
        if (block.timestamp <= n.due) revert NotDue(n.due);
        current = n.arena;
        delete next;
        emit Changed(n.arena);
    }
}
