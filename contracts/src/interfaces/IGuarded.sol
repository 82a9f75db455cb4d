// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A guardian who can hold up new claims for a while, and nothing else (SPEC 09 §10)
interface IGuarded {
    /// @notice Only the guardian may.
    error NotGuardian(address caller);
    /// @notice No new claims before that time is over.
    error Paused(uint256 until);
    /// @notice A pause may begin at `from`, or end at `until` at the latest.
    error BadPause(uint256 from, uint256 until);

    event PauseSet(uint256 from, uint256 until);

    /// @notice Who may pause; zero: nobody, for ever.
    function GUARDIAN() external view returns (address);

    /// @notice First and last second of the pause that was set last; it may be over.
    function pause() external view returns (uint40 from, uint40 until);

    /// @notice Holds new batches up until that time, at most MAX_PAUSE after the pause began; an earlier time ends it. A next
    /// pause begins only when as much time has passed since the end of the last as that one took.
    function setPause(uint256 until) external;
}
