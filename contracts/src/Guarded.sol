// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuarded} from "./interfaces/IGuarded.sol";

/// @title The pause of new claims; see IGuarded
/// @dev Nothing but new batches looks at it: games, payouts and exits go on, so that a guardian can neither hold anybody's
/// money nor save a cheat.
abstract contract Guarded is IGuarded {
    uint256 public constant MAX_PAUSE = 7 days;

    /// @inheritdoc IGuarded
    address public immutable GUARDIAN;

    /// @inheritdoc IGuarded
    Pause public pause;

    struct Pause {
        uint40 from;
        uint40 until;
    }

    constructor(address guardian) {
        GUARDIAN = guardian;
    }

    /// @inheritdoc IGuarded
    function setPause(uint256 until) external {
        if (msg.sender != GUARDIAN || GUARDIAN == address(0)) revert NotGuardian(msg.sender);
        Pause memory p = pause;
        if (block.timestamp > p.until) {
            uint256 rested = uint256(p.until) + p.until - p.from;
            if (block.timestamp < rested) revert BadPause(rested, rested + MAX_PAUSE);
            p.from = uint40(block.timestamp);
        }
        if (until > uint256(p.from) + MAX_PAUSE) revert BadPause(p.from, p.from + MAX_PAUSE);
        p.until = uint40(until < block.timestamp ? block.timestamp : until);
        pause = p;
        emit PauseSet(p.from, p.until);
    }

    /// @dev Time is in the pause.
    function _paused(uint256 time) internal view returns (bool) {
        return time <= pause.until;
    }
}
