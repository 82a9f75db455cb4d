// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAudits} from "./interfaces/IAudits.sol";
import {IERC20} from "./StakeVault.sol";

/// @title Seats of auditors, their deposits, and the fees of nodes; see IAudits
/// @dev Solvency: balance = sum of deposits + sum of fees + what open places lock + sum of credits + burned.
abstract contract Seats is IAudits {
    /// @dev One slot, and one for the deposit. `born` never falls from seat to seat; a free seat keeps it.
    struct Seat {
        address owner;
        uint32 born;
        uint32 from;
        uint32 to; // 0: held
        uint128 deposit;
    }

    struct Exit {
        uint128 amount;
        uint64 unlockAt;
    }

    IERC20 public immutable TOKEN;
    uint256 public immutable DEPOSIT;
    uint256 public immutable FORFEIT;
    uint256 public immutable UNBONDING;

    Seat[] public seats;
    mapping(address node => uint256) public fees;
    mapping(address account => uint256) public credits;
    mapping(address node => Exit) public exits;
    /// @notice Token units that nobody can move any more.
    uint256 public burned;

    constructor(address token, uint256 deposit, uint256 forfeit, uint256 unbonding) {
        if (deposit == 0 || deposit < forfeit) revert BadParameter("deposit", deposit);
        (TOKEN, DEPOSIT, FORFEIT, UNBONDING) = (IERC20(token), deposit, forfeit, unbonding);
    }

    /// @inheritdoc IAudits
    function join(uint256 seat) external {
        if (seat > seats.length || block.timestamp > type(uint32).max) revert BadSeat(seat);
        if (seat == seats.length) {
            seats.push();
            seats[seat].born = uint32(block.timestamp);
        }
        Seat storage s = seats[seat];
        if (s.owner != address(0)) revert BadSeat(seat);
        (s.owner, s.from, s.to, s.deposit) = (msg.sender, uint32(block.timestamp), 0, uint128(DEPOSIT));
        emit Joined(seat, msg.sender);
        _pull(DEPOSIT);
    }

    /// @inheritdoc IAudits
    function quit(uint256 seat) external {
        if (seat >= seats.length || seats[seat].owner != msg.sender || seats[seat].to != 0) revert BadSeat(seat);
        _end(seat);
    }

    /// @inheritdoc IAudits
    function reclaim(uint256 seat) external {
        if (seat >= seats.length || seats[seat].owner != msg.sender) revert BadSeat(seat);
        Seat storage s = seats[seat];
        if (s.to == 0 || block.timestamp <= s.to + UNBONDING) {
            revert OutOfTime(block.timestamp, s.to + UNBONDING, type(uint256).max);
        }
        uint256 amount = s.deposit;
        (s.owner, s.deposit) = (address(0), 0);
        credits[msg.sender] += amount;
        emit Reclaimed(seat, amount);
    }

    /// @inheritdoc IAudits
    function payFees(address node, uint256 amount) external {
        if (amount > type(uint128).max) revert BadParameter("amount", amount);
        fees[node] += amount;
        emit FeesPaid(node, amount);
        _pull(amount);
    }

    /// @inheritdoc IAudits
    function requestFees(uint256 amount) external {
        if (amount > type(uint128).max) revert BadParameter("amount", amount);
        exits[msg.sender] = Exit(uint128(amount), uint64(block.timestamp + UNBONDING));
    }

    /// @inheritdoc IAudits
    function withdrawFees() external {
        Exit memory e = exits[msg.sender];
        if (e.amount == 0 || block.timestamp <= e.unlockAt) {
            revert OutOfTime(block.timestamp, e.unlockAt, type(uint256).max);
        }
        uint256 amount = e.amount < fees[msg.sender] ? e.amount : fees[msg.sender];
        delete exits[msg.sender];
        fees[msg.sender] -= amount;
        credits[msg.sender] += amount;
    }

    /// @inheritdoc IAudits
    function withdraw(uint256 amount) external {
        uint256 has = credits[msg.sender];
        if (amount > has) revert Insufficient(msg.sender, has, amount);
        credits[msg.sender] = has - amount;
        _call(abi.encodeCall(IERC20.transfer, (msg.sender, amount)), amount);
    }

    /// @dev Seats that existed before a time: a draw is over these, whoever joins later.
    function _before(uint256 time) internal view returns (uint256 low) {
        uint256 high = seats.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (seats[middle].born < time) low = middle + 1;
            else high = middle;
        }
    }

    /// @dev Whoever held the seat throughout the second before a time and at it, or nobody.
    function _holder(uint256 seat, uint256 time) internal view returns (address) {
        Seat storage s = seats[seat];
        return s.from < time && (s.to == 0 || time < s.to) ? s.owner : address(0);
    }

    function _end(uint256 seat) internal {
        seats[seat].to = uint32(block.timestamp);
        emit Left(seat, block.timestamp);
    }

    /// @dev Takes at most an amount of a seat's deposit; a seat that cannot forfeit any more is left.
    function _seize(uint256 seat, uint256 amount) internal returns (uint256 taken) {
        Seat storage s = seats[seat];
        taken = amount < s.deposit ? amount : s.deposit;
        s.deposit -= uint128(taken);
        if (s.to == 0 && s.deposit < FORFEIT) _end(seat);
    }

    /// @dev The amount that arrives is measured.
    function _pull(uint256 amount) internal {
        uint256 before = TOKEN.balanceOf(address(this));
        _call(abi.encodeCall(IERC20.transferFrom, (msg.sender, address(this), amount)), amount);
        if (TOKEN.balanceOf(address(this)) != before + amount) revert TransferFailed(amount);
    }

    function _call(bytes memory data, uint256 amount) private {
        (bool ok, bytes memory result) = address(TOKEN).call(data);
        if (!ok || (result.length != 0 && !abi.decode(result, (bool)))) revert TransferFailed(amount);
    }
}
