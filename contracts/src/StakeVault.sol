// SPDX-License-Identifier: MIT
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
    struct Node {
        uint128 stake;
        uint128 reserved; // <= stake
        uint128 unbonding;
        uint40 unlockAt;
        uint40 queue;
        uint24 games;
        bool jailed;
    }

    /// @notice The token of stakes, bonds and payments of this deployment; it must not charge on transfer.
    IERC20 public immutable TOKEN;
    /// @notice Seconds between the announcement and the payment of stake.
    uint256 public immutable UNBONDING;

    address private _deployer;
    /// @inheritdoc IStakeVault
    address public arena;
    /// @inheritdoc IStakeVault
    address public book;
    /// @inheritdoc IStakeVault
    uint256 public burned;
    /// @inheritdoc IStakeVault
    mapping(address node => Node) public nodes;
    /// @inheritdoc IStakeVault
    mapping(address account => uint256) public creditOf;

    constructor(address token, uint256 unbonding) {
        if (token.code.length == 0) revert BadParameter("token", uint256(uint160(token)));
        if (unbonding == 0 || unbonding > 365 days) revert BadParameter("unbonding", unbonding);
        TOKEN = IERC20(token);
        UNBONDING = unbonding;
        _deployer = msg.sender;
    }

    modifier onlyArena() {
        if (msg.sender != arena) revert NotModule(msg.sender);
        _;
    }

    modifier onlyBook() {
        if (msg.sender != book) revert NotModule(msg.sender);
        _;
    }

    /// @notice Names book and arena; the deployer calls it once and has no power afterwards.
    function initialize(address book_, address arena_) external {
        if (msg.sender != _deployer) revert NotDeployer(msg.sender);
        if (book_.code.length == 0) revert BadParameter("book", uint256(uint160(book_)));
        if (arena_.code.length == 0) revert BadParameter("arena", uint256(uint160(arena_)));
        _deployer = address(0);
        book = book_;
        arena = arena_;
        emit Initialized(book_, arena_);
    }

    /// @inheritdoc IStakeVault
    function deposit(uint256 amount) external {
        nodes[msg.sender].stake += _u128(amount);
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
        Node storage node = nodes[msg.sender];
        if (amount > node.stake) revert Insufficient(msg.sender, node.stake, amount);
        node.unbonding = uint128(amount);
        // A jailed node's term is not shortened, because the new one begins later.
        node.unlockAt = uint40(block.timestamp + UNBONDING);
        emit UnbondRequested(msg.sender, amount, node.unlockAt);
    }

    /// @inheritdoc IStakeVault
    function withdrawStake() external returns (uint256 amount) {
        Node storage node = nodes[msg.sender];
        (uint256 stake, uint256 reserved) = (node.stake, node.reserved);
        if (block.timestamp <= node.unlockAt || node.games != 0 || (node.jailed && reserved != 0)) {
            revert Locked(msg.sender, node.unlockAt, node.games, reserved);
        }
        amount = _min(node.unbonding, stake - reserved);
        node.unbonding = 0;
        node.stake = uint128(stake - amount);
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
        Node storage n = nodes[node];
        (uint256 stake, uint256 reserved, uint256 unbonding) = (n.stake, n.reserved, n.unbonding);
        if (n.jailed) revert Jailed(node);
        if (reserved + unbonding + amount > stake) revert Insufficient(node, stake, reserved + unbonding + amount);
        n.reserved = uint128(reserved + amount);
    }

    /// @inheritdoc IStakeVault
    function unreserve(address node, uint256 amount) external onlyBook {
        nodes[node].reserved -= uint128(amount);
    }

    /// @inheritdoc IStakeVault
    function openGame(address node, uint256 work) external onlyArena returns (uint256 before, uint256 queue) {
        Node storage n = nodes[node];
        before = n.games;
        queue = n.queue > block.timestamp ? n.queue : block.timestamp;
        queue += work;
        if (queue > type(uint40).max) revert BadParameter("queue", queue);
        n.games = uint24(before + 1);
        n.queue = uint40(queue);
    }

    /// @inheritdoc IStakeVault
    function closeGame(address node) external onlyArena {
        nodes[node].games -= 1;
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
    function slash(address node, uint256 wanted, uint256 reserved) external onlyArena returns (uint256 taken) {
        Node storage n = nodes[node];
        taken = reserved + _min(wanted - reserved, n.stake - n.reserved);
        n.stake -= uint128(taken);
        n.reserved -= uint128(reserved);
        emit Slashed(node, taken);
    }

    /// @inheritdoc IStakeVault
    function jail(address node) external onlyArena {
        nodes[node].jailed = true;
        nodes[node].unlockAt = uint40(block.timestamp + UNBONDING);
    }

    /// @inheritdoc IStakeVault
    function burn(uint256 amount) external onlyArena {
        burned += amount;
        emit Burned(amount);
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

    function _u128(uint256 amount) private pure returns (uint128) {
        if (amount > type(uint128).max) revert BadParameter("amount", amount);
        return uint128(amount);
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
