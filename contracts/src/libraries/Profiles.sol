// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeArena} from "../interfaces/IDisputeArena.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";

/// @title The ranges that a deployment's parameters must lie in, by the kind of chain (SPEC 09 §6)
/// @notice Runs in the constructor of the arena only.
library Profiles {
    uint256 private constant DEVNET = 0;
    uint256 private constant L2 = 1;
    uint256 private constant L1 = 2;

    /// @notice Reverts with BadParameter for the first parameter out of range.
    function check(IDisputeArena.Params memory p) internal pure {
        _range("profile", p.profile, DEVNET, L1);
        bool open = p.profile != DEVNET;
        _range("reserve", p.reserve, 1, type(uint96).max);
        _range("window", p.window, open ? 1 hours : 4, 365 days);
        _range("replyTime", p.replyTime, open ? 1 hours : 1, 90 days);
        _range("forcedInclusion", p.forcedInclusion, p.profile == L2 ? 1 hours : 0, 7 days);
        _range("grace", p.grace, _max(open ? 1 days : 1, 2 * uint256(p.forcedInclusion)), 90 days);
        _range("rate", p.rate, 1, type(uint32).max);
        _range("spaceRate", p.spaceRate, 10_000, 1e10);
        _range("rewardDelay", p.rewardDelay, open ? 7 days : 1, 365 days);
        uint256 longest = 2 * uint256(p.window) + p.replyTime + p.grace;
        _range("unbonding", p.unbonding, _max(open ? 14 days : 1, longest), 365 days);
        _range("priceCap", p.priceCap, 1, 1e15);
        _range("tipCap", p.tipCap, 0, 1e15);
        _range("tokenPerEther", p.tokenPerEther, 1, 1e30);
        _range("worstGas", p.worstGas, 100_000, 100_000_000);
        _range("workFee", p.workFee, 0, 1e30);
        _range("refundFactor", p.refundFactor, 1, 1000);
    }

    function _range(string memory name, uint256 value, uint256 low, uint256 high) private pure {
        if (value < low || value > high) revert IStakeVault.BadParameter(name, value);
    }

    function _max(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
