// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Holds every token: stakes of nodes, credits of everybody, escrows of games (SPEC 09)
/// @notice Tokens leave by `withdraw` and `withdrawStake` only, to the caller. Nobody owns the vault: book and arena are
/// named at its creation, before they exist, by the addresses that they will have.
interface IStakeVault {
    /// @notice An amount is above what is there.
    error Insufficient(address who, uint256 got, uint256 want);
    /// @notice The token moved another amount than asked, or its call failed.
    error TransferFailed(address token, uint256 amount);
    /// @notice Stake leaves only after unlockAt, without open games, and for a jailed node without reserves.
    error Locked(address node, uint256 unlockAt, uint256 games, uint256 reserved);
    /// @notice A jailed node posts no batches.
    error Jailed(address node);
    /// @notice Only book or arena may call this.
    error NotModule(address sender);
    /// @notice A parameter of the deployment is out of range.
    error BadParameter(string name, uint256 value);

    event Deposited(address indexed node, uint256 amount);
    event Funded(address indexed account, uint256 amount);
    event UnbondRequested(address indexed node, uint256 amount, uint256 unlockAt);
    event StakeWithdrawn(address indexed node, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event Slashed(address indexed node, uint256 amount);
    event Burned(uint256 amount);

    /// @notice Adds to the sender's stake, which is at most 2^88-1. Stake ends by `requestUnbond` and `withdrawStake`.
    function deposit(uint256 amount) external;

    /// @notice Adds to the sender's credit, from which bonds are taken.
    function fund(uint256 amount) external;

    /// @notice Announces that `amount` of the sender's stake shall leave; replaces an earlier announcement and starts the
    /// unbonding time anew. Announced stake backs no new batches and stays slashable until it is withdrawn.
    function requestUnbond(uint256 amount) external;

    /// @notice Pays the announced stake out, as far as it is neither slashed nor reserved.
    function withdrawStake() external returns (uint256 amount);

    /// @notice Pays out credit of the sender.
    function withdraw(uint256 amount) external;

    /// @notice Credit of an account, in token units.
    function creditOf(address account) external view returns (uint256);

    /// @notice Tokens that no one can move any more.
    function burned() external view returns (uint256);

    /// @notice A node: stake, the part reserved by batches, the part announced to leave and when it may, end of its queue
    /// of reveals, open games, jailed.
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

    /// @notice The arena and the book that this vault obeys.
    function arena() external view returns (address);
    function book() external view returns (address);

    /// @notice Book only: reserves free stake of a node that is not jailed.
    function reserve(address node, uint256 amount) external;

    /// @notice Book only: ends a reservation.
    function unreserve(address node, uint256 amount) external;

    /// @notice Arena only: counts a game against the node and queues `work` seconds of its time.
    /// @return before Open games before this one.
    /// @return queue The time at which the node's queue, this game included, is worked off.
    function openGame(address node, uint256 work) external returns (uint256 before, uint256 queue);

    /// @notice Arena only: a game against the node has ended; of what the arena locked, `toNode` is credited to the node
    /// and `burnt` is destroyed.
    function closeGame(address node, uint256 toNode, uint256 burnt) external;

    /// @notice Arena only: a game against the node has ended by a refutation. Takes stake: `reserved` of it from
    /// reservations, the rest from free stake as far as there is.
    /// @param jails The first refutation of a claim: the node posts no more batches and waits the unbonding time anew.
    /// @return taken What was taken.
    function convict(address node, uint256 wanted, uint256 reserved, bool jails) external returns (uint256 taken);

    /// @notice Arena only: takes a bond out of an account's credit.
    function lock(address account, uint256 amount) external;

    /// @notice Arena only: credits an account out of what the arena locked or slashed.
    function pay(address account, uint256 amount) external;

    /// @notice Arena only: credits opener and user and destroys `burnt`, out of what the arena locked or slashed.
    function distribute(address opener, uint256 toOpener, address user, uint256 toUser, uint256 burnt) external;

    /// @notice Arena only: destroys what the arena locked or slashed.
    function burn(uint256 amount) external;
}
