// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "./interfaces/IStakeVault.sol";

interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// @title Stakes, credits, escrows; see IStakeVault
/// @dev Solvency: balance = sum of stakes + sum of credits + what the arena holds (bonds, rewards) + burned.
contract StakeVault is IStakeVault {
    /// @dev One slot: stake 88 bits, reserved 88 (<= stake), queue 32, games 16, jailedUntil 32 (0: not jailed).
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

    /// @notice The token of stakes, bonds and payments of this deployment; it must not charge on transfer.
    IERC20 public immutable TOKEN;
    /// @notice Seconds between the announcement and the payment of stake.
    uint256 public immutable UNBONDING;
    address private immutable BOOK;
    address private immutable ARENA;

    /// @inheritdoc IStakeVault
    uint256 public burned;
    /// @inheritdoc IStakeVault
    mapping(address account => uint256) public creditOf;
    mapping(address node => uint256) private _nodes;
    mapping(address node => Exit) private _exits;

    /// @param book_ Where the book will be; the vault obeys it and nobody can change that.
    /// @param arena_ Where the arena will be, likewise.
    constructor(address token, uint256 unbonding, address book_, address arena_) {
        if (token.code.length == 0) revert BadParameter("token", uint256(uint160(token)));
        if (unbonding == 0 || unbonding > 365 days) revert BadParameter("unbonding", unbonding);
        if (book_ == address(0) || book_ == arena_) revert BadParameter("book", uint256(uint160(book_)));
        if (arena_ == address(0)) revert BadParameter("arena", 0);
        TOKEN = IERC20(token);
        UNBONDING = unbonding;
        BOOK = book_;
        ARENA = arena_;
    }

    modifier onlyArena() {
        if (msg.sender != ARENA) revert NotModule(msg.sender);
        _;
    }

    modifier onlyBook() {
        if (msg.sender != BOOK) revert NotModule(msg.sender);
        _;
    }

    /// @inheritdoc IStakeVault
    function book() external view returns (address) {
        return BOOK;
    }

    /// @inheritdoc IStakeVault
    function arena() external view returns (address) {
        return ARENA;
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
        emit Deposited(msg.sender, amount);
        _pull(amount);
    }

    /// @inheritdoc IStakeVault
    function fund(uint256 amount) external {
        creditOf[msg.sender] += amount;
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
        amount = _min(e.amount, n.stake - n.reserved);
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

    /// @inheritdoc IStakeVault
    function reserve(address node, uint256 amount) external onlyBook {
        Node memory n = _node(node);
        if (n.jailedUntil != 0) revert Jailed(node);
        uint256 used = n.reserved + _exits[node].amount + amount;
        if (used > n.stake) revert Insufficient(node, n.stake, used);
        n.reserved += amount;
        _store(node, n);
    }

    /// @inheritdoc IStakeVault
    function unreserve(address node, uint256 amount) external onlyBook {
        Node memory n = _node(node);
        n.reserved -= amount;
        _store(node, n);
    }

    /// @inheritdoc IStakeVault
    function openGame(address node, uint256 work) external onlyArena returns (uint256 before, uint256 queue) {
        Node memory n = _node(node);
        before = n.games;
        queue = _max(n.queue, block.timestamp) + work;
        if (queue > type(uint32).max) revert BadParameter("queue", queue);
        if (before == type(uint16).max) revert BadParameter("games", before);
        (n.games, n.queue) = (before + 1, queue);
        _store(node, n);
    }

    /// @inheritdoc IStakeVault
    function closeGame(address node, uint256 toNode, uint256 burnt) external onlyArena {
        Node memory n = _node(node);
        n.games -= 1;
        _store(node, n);
        creditOf[node] += toNode;
        _burn(burnt);
    }

    /// @inheritdoc IStakeVault
    function convict(address node, uint256 wanted, uint256 reserved, bool jails)
        external
        onlyArena
        returns (uint256 taken)
    {
        Node memory n = _node(node);
        n.games -= 1;
        taken = reserved + _min(wanted - reserved, n.stake - n.reserved);
        n.stake -= taken;
        n.reserved -= reserved;
        if (jails) n.jailedUntil = _min(block.timestamp + UNBONDING, type(uint32).max);
        _store(node, n);
        emit Slashed(node, taken);
    }

    /// @inheritdoc IStakeVault
    function lock(address account, uint256 amount) external onlyArena {
        _take(account, amount);
    }

    /// @inheritdoc IStakeVault
    function pay(address account, uint256 amount) external onlyArena {
        creditOf[account] += amount;
    }

    /// @inheritdoc IStakeVault
    function distribute(address opener, uint256 toOpener, address user, uint256 toUser, uint256 burnt)
        external
        onlyArena
    {
        creditOf[opener] += toOpener;
        if (toUser != 0) creditOf[user] += toUser;
        _burn(burnt);
    }

    /// @inheritdoc IStakeVault
    function burn(uint256 amount) external onlyArena {
        _burn(amount);
    }

    function _burn(uint256 amount) private {
        burned += amount;
        emit Burned(amount);
    }

    function _node(address node) private view returns (Node memory n) {
        uint256 slot = _nodes[node];
        n.stake = uint88(slot);
        n.reserved = uint88(slot >> 88);
        n.queue = uint32(slot >> 176);
        n.games = uint16(slot >> 208);
        n.jailedUntil = slot >> 224;
    }

    /// @dev Every field is below the bound of its width: stake by `deposit`, reserved by stake, the others where they
    /// are set.
    function _store(address node, Node memory n) private {
        _nodes[node] = n.stake | (n.reserved << 88) | (n.queue << 176) | (n.games << 208) | (n.jailedUntil << 224);
    }

    function _take(address account, uint256 amount) private {
        uint256 credit = creditOf[account];
        if (credit < amount) revert Insufficient(account, credit, amount);
        creditOf[account] = credit - amount;
    }

    /// @dev The amount that arrives is measured, so that a token with transfer fees cannot make the vault insolvent.
    function _pull(uint256 amount) private {
        uint256 before = TOKEN.balanceOf(address(this));
        _call(abi.encodeCall(IERC20.transferFrom, (msg.sender, address(this), amount)), amount);
        if (TOKEN.balanceOf(address(this)) != before + amount) revert TransferFailed(address(TOKEN), amount);
    }

    function _push(address to, uint256 amount) private {
        _call(abi.encodeCall(IERC20.transfer, (to, amount)), amount);
    }

    /// @dev Accepts tokens that return nothing; those that return must return true.
    function _call(bytes memory data, uint256 amount) private {
        (bool ok, bytes memory result) = address(TOKEN).call(data);
        if (!ok || (result.length != 0 && !abi.decode(result, (bool)))) revert TransferFailed(address(TOKEN), amount);
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function _max(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
