// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Which arena is in use: the only thing that governance can change, and late enough to leave (SPEC 09 §10)
/// @notice Arenas are fixed: parameters change by a new arena, announced here. Nobody's stake moves: who does not like the
/// next arena stays away from it, and the money in the old one leaves it by its own rules.
interface IDirectory {
    /// @notice Only the governor may.
    error NotGovernor(address caller);
    /// @notice The address has no arena's code.
    error NotArena(address arena);
    /// @notice Nothing is announced.
    error NothingAnnounced();
    /// @notice What is announced holds only after that time.
    error NotDue(uint256 time);

    event Announced(address indexed arena, uint256 due);
    event Withdrawn(address indexed arena);
    event Changed(address indexed arena);

    /// @notice Who announces, such as a multisignature account.
    function GOVERNOR() external view returns (address);

    /// @notice Least time from announcement to change, in seconds.
    function DELAY() external view returns (uint256);

    /// @notice The arena in use; zero before the first.
    function current() external view returns (address);

    /// @notice The arena that was announced, zero without one, and the second after which it can come into use.
    function next() external view returns (address arena, uint40 due);

    /// @notice Announces an arena, for after DELAY and after the unbonding time of the current one, so that who unbonds at
    /// the announcement has his stake before the change. Replaces an earlier announcement and its time.
    function announce(address arena) external;

    /// @notice Takes the announcement back.
    function withdraw() external;

    /// @notice Puts the announced arena into use once it is due. Anyone may call it.
    function change() external;
}
