// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Holds every token: stakes of nodes, credits of everybody, escrows of games (SPEC 09)
/// @notice Tokens leave by `withdraw` and `withdrawStake` only, to the caller. Nobody owns the vault; it is a part of the
/// arena.
interface IStakeVault {
    /// @notice An amount is above what is there.
    error Insufficient(address who, uint256 got, uint256 want);
    /// @notice The token moved another amount than asked, or its call failed.
    error TransferFailed(address token, uint256 amount);
    /// @notice Stake leaves only after unlockAt, without open games, and for a jailed node without reserves.
    error Locked(address node, uint256 unlockAt, uint256 games, uint256 reserved);
    /// @notice A jailed node posts no batches.
    error Jailed(address node);
    /// @notice The node has as many open games as a slot can count.
    error TooManyGames(address node, uint256 games);
    /// @notice A parameter of the deployment is out of range.
    error BadParameter(string name, uint256 value);

    event Deposited(address indexed node, uint256 amount);
    event Funded(address indexed account, uint256 amount);
    event UnbondRequested(address indexed node, uint256 amount, uint256 unlockAt);
    event StakeWithdrawn(address indexed node, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    /// @notice Adds to the sender's stake, which is at most 2^88-1. Stake ends by `requestUnbond` and `withdrawStake`.
    function deposit(uint256 amount) external;

    /// @notice Adds to the sender's credit, from which bonds are taken. With 0 it makes the account's slot, which costs less
    /// than a first credit in a game: for who will send moves of a node.
    function fund(uint256 amount) external;

    /// @notice Announces that `amount` of the sender's stake shall leave; replaces an earlier announcement and starts the
    /// unbonding time anew. Announced stake backs no new batches and stays slashable until it is withdrawn.
    function requestUnbond(uint256 amount) external;

    /// @notice Pays the announced stake out, as far as it is neither slashed nor reserved; not while games are open.
    function withdrawStake() external returns (uint256 amount);

    /// @notice Pays out credit of the sender.
    function withdraw(uint256 amount) external;

    /// @notice Credit of an account, in token units.
    function creditOf(address account) external view returns (uint256);

    /// @notice Games that an account has opened and that are not resolved.
    function openedBy(address account) external view returns (uint256);

    /// @notice Tokens that no one can move any more.
    function burned() external view returns (uint256);

    /// @notice A node: stake, what batches and open games reserve of it (together it may be more than the stake: then
    /// nothing is free), the part announced to leave and when it may, end of its queue of reveals, open games, jailed.
    function nodes(address node)
        external
        view
        returns (
            uint128 stake,
            uint128 reserved,
            uint128 unbonding,
            uint40 unlockAt,
            uint40 queue,
            uint24 games,
            bool jailed
        );
}
