// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeArena} from "./interfaces/IDisputeArena.sol";
import {ClaimBook} from "./ClaimBook.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Packed} from "./libraries/Packed.sol";

/// @title What becomes of decided games: slashes, payouts, rewards; see IDisputeArena
abstract contract Verdicts is IDisputeArena, ClaimBook {
    /// @dev The lowest bits of a verdict's slot; the others are those of the hash of what it holds.
    uint256 private constant VOIDED = 1;
    uint256 private constant REFUTED = 2;
    uint256 private constant MARKS = 3;
    /// @dev Sizes of what the last state and the job leave: a verdict, and what it holds (SPEC 08 §2.2, 09 §4.4).
    uint256 internal constant VERDICT = G.MONEY + 36;
    uint256 private constant HELD = 116;

    /// @notice D0 in seconds: how long after the first refutation of a case a commit is still that of a winner who may be
    /// repaid out of its slash.
    uint256 public immutable REPLY_TIME;
    uint256 public immutable REWARD_DELAY;
    uint256 public immutable REFUND_FACTOR;

    /// @inheritdoc IDisputeArena
    mapping(bytes32 game => bytes32) public slots;
    mapping(bytes32 caseId => uint256) private _verdicts;

    constructor(uint256 replyTime, uint256 rewardDelay, uint256 refundFactor) {
        (REPLY_TIME, REWARD_DELAY, REFUND_FACTOR) = (replyTime, rewardDelay, refundFactor);
    }

    /// @inheritdoc IDisputeArena
    function resolve(bytes32 game, bytes calldata verdict, bytes calldata held) external {
        bytes32 got = keccak256(verdict);
        if (got != slots[game] || verdict.length != VERDICT) revert G.WrongState(game, got, slots[game]);
        delete slots[game];
        bytes32 caseId = bytes32(G.peek(verdict, G.CASE));
        bool voided = G.peek(verdict, G.FLAGS) & G.VOID != 0;
        if (G.peek(verdict, G.PHASE) == G.REFUTED) {
            _refute(game, caseId, verdict, held, voided);
            return;
        }
        _nothing(caseId, held);
        if (voided) _verdicts[caseId] |= VOIDED;
        address node = address(uint160(G.peek(verdict, G.NODE)));
        _closeGame(node, G.peek(verdict, G.HOLD));
        uint256 escrow = G.peek(verdict, G.ESCROW);
        (uint256 forfeit, uint256 half) = _forfeit(G.peek(verdict, G.FLAGS), escrow);
        _credit(node, half);
        _leave(address(uint160(G.peek(verdict, G.OPENER))), escrow - forfeit);
        burned += forfeit - half;
        emit Resolved(game, caseId, G.LOST, voided, 0, 0, "");
    }

    /// @dev What the opener of a lost game forfeits of the escrow, and what of that the node gets. Who asks for what he cannot
    /// see accuses nobody: for a batch he loses a quarter, for data an eighth, of which the node gets nothing, so that
    /// no node earns by not serving.
    function _forfeit(uint256 flags, uint256 escrow) private pure returns (uint256 forfeit, uint256 half) {
        if (flags & G.DEMAND == 0) return (escrow, escrow / 2);
        if (flags & G.DESCENDED == 0) return (escrow / 4, escrow / 4 / 2);
        return (escrow / 8, 0);
    }

    /// @dev The first refutation of a case slashes; a later one repays costs out of free stake, then out of what is held, and
    /// takes over what is held if its commit was earlier.
    function _refute(bytes32 game, bytes32 caseId, bytes calldata verdict, bytes calldata held, bool voided) private {
        uint256 slot = _verdicts[caseId];
        bool first = slot & REFUTED == 0;
        uint256 cost = G.peek(verdict, G.COST);
        uint256 costs =
            _convict(address(uint160(G.peek(verdict, G.NODE))), G.peek(verdict, G.HOLD), cost, first);
        uint256 slashed = costs;
        bytes memory keeps;
        if (first) {
            _nothing(caseId, held);
            costs = _min(cost, slashed / 2);
            keeps = _hold(verdict, slashed);
        } else if (slot & ~MARKS == 0) {
            _nothing(caseId, held);
        } else {
            uint256 rest;
            (keeps, rest) = _takeOver(caseId, slot, verdict, held, cost - costs);
            costs += rest;
        }
        _keep(caseId, slot, keeps, voided);
        _leave(address(uint160(G.peek(verdict, G.OPENER))), G.peek(verdict, G.ESCROW) + costs);
        emit Resolved(game, caseId, G.REFUTED, voided, slashed, costs, keeps);
    }

    /// @dev What the first refutation holds for `settle` (SPEC 09 §4.4): winner, committedAt, settleAt, slashed, cost, left,
    /// user, price.
    function _hold(bytes calldata verdict, uint256 slashed) private view returns (bytes memory held) {
        uint256 cost = G.peek(verdict, G.COST);
        held = abi.encodePacked(
            uint160(G.peek(verdict, G.OPENER)),
            uint32(G.peek(verdict, G.COMMITTED_AT)),
            uint64(block.timestamp + REWARD_DELAY),
            uint128(slashed),
            uint128(cost),
            uint128(slashed / 2 - _min(cost, slashed / 2)),
            verdict[G.MONEY:]
        );
    }

    /// @dev What free stake did not repay of a later winner's cost comes out of the half that is not burned, before refund and
    /// reward; not for a commit that came when everybody knew. An earlier commit that wins in time is the winner of the rest.
    function _takeOver(bytes32 caseId, uint256 slot, bytes calldata verdict, bytes calldata held, uint256 missing)
        private
        view
        returns (bytes memory keeps, uint256 costs)
    {
        uint256 pos = _checkHeld(caseId, slot, held);
        (uint256 settleAt, uint256 left) = (Packed.uintAt(pos + 24, 8), Packed.uintAt(pos + 64, 16));
        (bytes24 winner, uint256 committedAt) = (bytes24(held), G.peek(verdict, G.COMMITTED_AT));
        if (committedAt + REWARD_DELAY <= settleAt + REPLY_TIME) costs = _min(missing, left);
        if (block.timestamp <= settleAt && committedAt < Packed.uintAt(pos + 20, 4)) {
            winner = bytes24(uint192((G.peek(verdict, G.OPENER) << 32) | committedAt));
        }
        keeps = bytes.concat(winner, held[24:64], bytes16(uint128(left - costs)), held[80:]);
    }

    /// @dev A case that its node declared false beforehand (SPEC 11 §5): no refutation of it is the first.
    function _spare(bytes32 caseId) internal {
        _verdicts[caseId] |= REFUTED;
        emit Spared(caseId);
    }

    function _keep(bytes32 caseId, uint256 slot, bytes memory held, bool voided) private {
        uint256 marks = (slot & MARKS) | REFUTED | (voided ? VOIDED : 0);
        _verdicts[caseId] = held.length == 0 ? marks : (uint256(keccak256(held)) & ~MARKS) | marks;
    }

    /// @dev The position of bytes that are what the verdict holds.
    function _checkHeld(bytes32 caseId, uint256 slot, bytes calldata held) private pure returns (uint256 pos) {
        if (held.length != HELD || (uint256(keccak256(held)) ^ slot) & ~MARKS != 0) revert WrongHeld(caseId);
        pos = _start(held);
    }

    /// @dev No bytes may come where nothing is held.
    function _nothing(bytes32 caseId, bytes calldata held) private pure {
        if (held.length != 0) revert WrongHeld(caseId);
    }

    /// @inheritdoc IDisputeArena
    function verdicts(bytes32 caseId) external view returns (bool voided, bool refuted, bytes32 held) {
        uint256 slot = _verdicts[caseId];
        (voided, refuted, held) = (slot & VOIDED != 0, slot & REFUTED != 0, bytes32(slot & ~MARKS));
    }

    /// @notice How what is left of the half of a slash that is not burned is split (SPEC 09 §4.4): refund, then reward.
    function split(uint256 slashed, uint256 cost, uint256 left, uint256 price)
        public
        view
        returns (uint256 refund, uint256 reward)
    {
        refund = _min(REFUND_FACTOR * price, left);
        reward = _min(3 * cost + slashed / 5, left - refund);
    }

    /// @inheritdoc IDisputeArena
    function settle(bytes32 caseId, bytes calldata held) external {
        uint256 slot = _verdicts[caseId];
        if (slot & ~MARKS == 0) revert NothingToSettle(caseId, 0);
        uint256 pos = _checkHeld(caseId, slot, held);
        uint256 settleAt = Packed.uintAt(pos + 24, 8);
        if (block.timestamp <= settleAt) revert NothingToSettle(caseId, settleAt);
        _verdicts[caseId] = slot & MARKS;
        (uint256 slashed, uint256 left) = (Packed.uintAt(pos + 32, 16), Packed.uintAt(pos + 64, 16));
        (uint256 refund, uint256 reward) =
            split(slashed, Packed.uintAt(pos + 48, 16), left, Packed.uintAt(pos + 100, 16));
        uint256 burnt = slashed - slashed / 2 + left - refund - reward;
        address winner = address(uint160(Packed.uintAt(pos, 20)));
        _credit(address(uint160(Packed.uintAt(pos + 80, 20))), refund);
        _credit(winner, reward);
        burned += burnt;
        emit Settled(caseId, winner, refund, reward, burnt);
    }

    function _start(bytes calldata data) internal pure returns (uint256 pos) {
        (pos,) = Packed.bounds(data);
    }
}
