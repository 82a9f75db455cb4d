// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "./interfaces/IStakeVault.sol";

interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// @title Stakes, credits, escrows; see IStakeVault
/// @dev Solvency: balance = sum of stakes + sum of credits + what games and verdicts hold + burned.
abstract contract StakeVault is IStakeVault {
    /// @dev One slot: stake 88 bits, reserved 96, queue 32, games 8, jailedUntil 32 (0: not jailed). Batches reserve at most
    /// the stake, each of at most 255 games at most the stake: together below 2^96.
    struct Node {
        uint256 stake;
        uint256 reserved;
        uint256 queue;
        uint256 games;
        uint256 jailedUntil;
    }

    struct Exit {
        uint128 amount;
        uint40 unlockAt;
    }

    /// @notice The most stake of one node: what its slot can hold.
    uint256 public constant MAX_STAKE = type(uint88).max;
    /// @notice The most games that are open against one node at a time.
    uint256 public constant MAX_GAMES = type(uint8).max;
    /// @dev One open game in the slot of an account.
    uint256 private constant GAME = 1 << 128;
    /// @dev Set by `deposit` and `fund`: the slot of a party is never empty again, so that no move pays for a new one.
    uint256 private constant KNOWN = 1 << 255;

    /// @notice The token of stakes, bonds and payments of this deployment; it must not charge on transfer.
    IERC20 public immutable TOKEN;
    /// @notice Seconds between the announcement and the payment of stake.
    uint256 public immutable UNBONDING;

    /// @inheritdoc IStakeVault
    uint256 public burned;
    /// @dev One slot: credit 128 bits, games that the account has opened and that are not resolved 32; the highest bit: KNOWN.
    mapping(address account => uint256) private _accounts;
    mapping(address node => uint256) private _nodes;
    mapping(address node => Exit) private _exits;

    constructor(address token, uint256 unbonding) {
        if (token.code.length == 0) revert BadParameter("token", uint256(uint160(token)));
        TOKEN = IERC20(token);
        UNBONDING = unbonding;
    }

    /// @inheritdoc IStakeVault
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
        )
    {
        Node memory n = _node(node);
        Exit memory e = _exits[node];
        (stake, reserved, unbonding) = (uint128(n.stake), uint128(n.reserved), e.amount);
        unlockAt = uint40(_max(e.unlockAt, n.jailedUntil));
        (queue, games, jailed) = (uint40(n.queue), uint24(n.games), n.jailedUntil != 0);
    }

    /// @inheritdoc IStakeVault
    function deposit(uint256 amount) external {
        Node memory n = _node(msg.sender);
        if (amount > MAX_STAKE - n.stake) revert BadParameter("amount", amount);
        n.stake += amount;
        _store(msg.sender, n);
        _accounts[msg.sender] |= KNOWN;
        emit Deposited(msg.sender, amount);
        _pull(amount);
    }

    /// @inheritdoc IStakeVault
    function creditOf(address account) public view returns (uint256) {
        return uint128(_accounts[account]);
    }

    /// @inheritdoc IStakeVault
    function openedBy(address account) public view returns (uint256) {
        return uint32(_accounts[account] >> 128);
    }

    /// @inheritdoc IStakeVault
    function fund(uint256 amount) external {
        if (amount > type(uint128).max) revert BadParameter("amount", amount);
        _accounts[msg.sender] |= KNOWN;
        _credit(msg.sender, amount);
        emit Funded(msg.sender, amount);
        _pull(amount);
    }

    /// @inheritdoc IStakeVault
    function requestUnbond(uint256 amount) external {
        uint256 stake = _node(msg.sender).stake;
        if (amount > stake) revert Insufficient(msg.sender, stake, amount);
        uint256 unlockAt = block.timestamp + UNBONDING;
        _exits[msg.sender] = Exit(uint128(amount), uint40(unlockAt));
        emit UnbondRequested(msg.sender, amount, unlockAt);
    }

    /// @inheritdoc IStakeVault
    function withdrawStake() external returns (uint256 amount) {
        Node memory n = _node(msg.sender);
        Exit storage e = _exits[msg.sender];
        uint256 unlockAt = _max(e.unlockAt, n.jailedUntil);
        if (block.timestamp <= unlockAt || n.games != 0 || (n.jailedUntil != 0 && n.reserved != 0)) {
            revert Locked(msg.sender, unlockAt, n.games, n.reserved);
        }
        amount = _min(e.amount, _free(n));
        e.amount = 0;
        n.stake -= amount;
        _store(msg.sender, n);
        emit StakeWithdrawn(msg.sender, amount);
        _push(msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function withdraw(uint256 amount) external {
        _take(msg.sender, amount);
        emit Withdrawn(msg.sender, amount);
        _push(msg.sender, amount);
    }

    /// @dev Reserves free stake of a node that is not jailed, for a batch.
    function _reserve(address node, uint256 amount) internal {
        Node memory n = _node(node);
        if (n.jailedUntil != 0) revert Jailed(node);
        uint256 used = n.reserved + _exits[node].amount + amount;
        if (used > n.stake) revert Insufficient(node, n.stake, used);
        n.reserved += amount;
        _store(node, n);
    }

    /// @dev Ends the reservation of a batch.
    function _unreserve(address node, uint256 amount) internal {
        Node memory n = _node(node);
        n.reserved -= amount;
        _store(node, n);
    }

    /// @dev Counts a game against the node, queues `work` seconds of its time, and holds stake for a slash: `sure`, which a
    /// batch has reserved, and of the rest of `wanted` what is free.
    /// @return before Open games before this one.
    /// @return queue The time at which the node's queue, this game included, is worked off.
    /// @return hold What the game holds.
    function _openGame(address node, uint256 work, uint256 wanted, uint256 sure)
        internal
        returns (uint256 before, uint256 queue, uint256 hold)
    {
        Node memory n = _node(node);
        before = n.games;
        if (before == MAX_GAMES) revert TooManyGames(node, before);
        queue = _max(n.queue, block.timestamp) + work;
        if (queue > type(uint32).max) revert BadParameter("queue", queue);
        hold = sure + _min(wanted - sure, _free(n));
        (n.games, n.queue, n.reserved) = (before + 1, queue, n.reserved + hold);
        _store(node, n);
    }

    /// @dev Games that are open against the node.
    function _gamesAgainst(address node) internal view returns (uint256) {
        return uint8(_nodes[node] >> 216);
    }

    /// @dev A game against the node has ended; what it held is free again.
    function _closeGame(address node, uint256 hold) internal {
        Node memory n = _node(node);
        (n.games, n.reserved) = (n.games - 1, n.reserved - hold);
        _store(node, n);
    }

    /// @dev A game against the node has ended by a refutation: of the first of its case what it held is taken, and the node
    /// posts no more batches and waits the unbonding time anew; of a later one `cost`, as far as there is free stake.
    function _convict(address node, uint256 hold, uint256 cost, bool first) internal returns (uint256 taken) {
        Node memory n = _node(node);
        (n.games, n.reserved) = (n.games - 1, n.reserved - hold);
        taken = first ? _min(hold, n.stake) : _min(cost, _free(n));
        n.stake -= taken;
        if (first) n.jailedUntil = _min(block.timestamp + UNBONDING, type(uint32).max);
        _store(node, n);
    }

    /// @dev Stake that neither batches nor games have reserved. Announced stake is free until it is paid.
    function _free(Node memory n) private pure returns (uint256) {
        return n.stake > n.reserved ? n.stake - n.reserved : 0;
    }

    function _node(address node) private view returns (Node memory n) {
        uint256 slot = _nodes[node];
        n.stake = uint88(slot);
        n.reserved = uint96(slot >> 88);
        n.queue = uint32(slot >> 184);
        n.games = uint8(slot >> 216);
        n.jailedUntil = slot >> 224;
    }

    /// @dev Every field is below the bound of its width: stake by `deposit`, reserved by what `Node` says, the others where
    /// they are set.
    function _store(address node, Node memory n) private {
        _nodes[node] = n.stake | (n.reserved << 88) | (n.queue << 184) | (n.games << 216) | (n.jailedUntil << 224);
    }

    /// @dev Takes a bond or a withdrawal out of an account's credit.
    function _take(address account, uint256 amount) internal {
        uint256 credit = creditOf(account);
        if (credit < amount) revert Insufficient(account, credit, amount);
        _accounts[account] -= amount;
    }

    /// @dev Whether the account's slot is empty, so that a credit makes it.
    function _isEmpty(address account) internal view returns (bool) {
        return _accounts[account] == 0;
    }

    /// @dev The vault never holds more than 2^128-1 token units (`_pull`), so that credits do not reach the games beside them.
    function _credit(address account, uint256 amount) internal {
        _accounts[account] += amount;
    }

    /// @dev Takes the rest of a bond for a game that the account opens.
    /// @return games Its open games, this one included.
    function _join(address account, uint256 amount) internal returns (uint256 games) {
        _take(account, amount);
        _accounts[account] += GAME;
        games = openedBy(account);
    }

    /// @dev A game that the account opened has ended with that credit for it.
    function _leave(address account, uint256 amount) internal {
        _accounts[account] = _accounts[account] - GAME + amount;
    }

    /// @dev The amount that arrives is measured, so that a token with transfer fees cannot make the vault insolvent.
    function _pull(uint256 amount) private {
        uint256 before = TOKEN.balanceOf(address(this));
        _call(abi.encodeCall(IERC20.transferFrom, (msg.sender, address(this), amount)), amount);
        uint256 held = TOKEN.balanceOf(address(this));
        if (held != before + amount || held > type(uint128).max) revert TransferFailed(address(TOKEN), amount);
    }

    function _push(address to, uint256 amount) private {
        _call(abi.encodeCall(IERC20.transfer, (to, amount)), amount);
    }

    /// @dev Accepts tokens that return nothing; those that return must return true.
    function _call(bytes memory data, uint256 amount) private {
        (bool ok, bytes memory result) = address(TOKEN).call(data);
        if (!ok || (result.length != 0 && !abi.decode(result, (bool)))) revert TransferFailed(address(TOKEN), amount);
    }

    function _min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    function _max(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a : b;
    }
}
