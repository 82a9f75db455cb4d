// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {GraphWorld} from "./GraphWorld.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";

/// @notice Who is repaid what, and out of what: SPEC 09 §4.
contract MoneyTest is GraphWorld {
    address private constant LATE = address(0x1A7E);
    uint256 private _feeAfterOpen = 1 gwei;

    /// @dev Sets up a false claim in a batch that reserves the whole stake, so that nothing of it is free.
    function _bare() private returns (bytes memory payload, bytes32 root) {
        _run(true);
        claim.challengeUntil = uint64(START + 100_000);
        bytes memory path;
        bytes32[] memory digests = new bytes32[](1);
        (digests[0],) = _digests(claim);
        (root, path) = Build.list(digests, 0);
        vm.prank(node);
        arena.postBatch(root, 1, STAKE - RESERVE, START + 90);
        payload = _openPayload(claim, 0, abi.encodePacked(hex"01", root, uint16(0), path));
    }

    function _paid(address account) private {
        _endow(account);
        vm.prank(account);
        arena.fund(FUNDS);
    }

    /// @dev Opens a game as `who`, whose commit is there, and lets it run out.
    function _runOut(address who, bytes memory payload, bytes memory before) private returns (uint256 paid, uint256 cost) {
        opener = who;
        game = _key(claim, 0);
        for (uint256 i = 0; i < 20; ++i) {
            payload[i] = bytes20(who)[i];
        }
        _as(who, abi.encodeCall(arena.open, (payload, "")));
        vm.warp(_get(G.LAST) + 1);
        vm.fee(_feeAfterOpen);
        vm.txGasPrice(_feeAfterOpen + 1 gwei);
        _timeout();
        cost = _get(G.COST);
        uint256 had = arena.creditOf(who) + _get(G.ESCROW);
        _resolve(before);
        paid = arena.creditOf(who) - had;
    }

    function _commitAs(address who) private {
        opener = who;
        bytes32 key = _key(claim, 0);
        vm.prank(who);
        arena.commit(key);
    }

    /// @notice Nothing of the stake is free and a partner of the liar refutes first: who committed before all knew is repaid
    /// out of what is held, before refund and reward; who committed later is not. At least half burns.
    function testLaterWinnersAreRepaidOutOfWhatRests() public {
        (bytes memory payload, bytes32 root) = _bare();
        address honest = opener;
        _paid(stranger);
        _paid(LATE);
        _commitAs(stranger);
        _commitAs(honest);
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 1);
        (uint256 paid, uint256 cost) = _runOut(stranger, payload, "");
        same(paid, cost, "the partner's costs");
        (uint128 stake, uint128 reserved,,,,,) = arena.nodes(node);
        check(stake < reserved, "nothing is free");
        uint256 refuted = block.timestamp;
        vm.warp(refuted + 9); // D0 is 8
        _commitAs(LATE);
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 1);
        uint256 left = _heldNumber(64);
        (paid, cost) = _runOut(honest, payload, held);
        same(paid, cost, "the honest challenger's costs, out of what is held");
        same(_heldNumber(64), left - cost, "what is left");
        left -= cost;
        (paid, cost) = _runOut(LATE, payload, held);
        check(paid == 0 && cost > 0, "who came when all knew pays himself");
        same(_heldNumber(64), left, "and takes nothing");
        (, uint256 reward) = arena.split(RESERVE + VALUE, _heldNumber(48), left, PRICE);
        vm.warp(refuted + 601);
        arena.settle(_case(claim, root), held);
        same(arena.burned(), RESERVE + VALUE - (RESERVE + VALUE) / 2 + left - 3 * PRICE - reward, "burned");
        check(2 * arena.burned() >= RESERVE + VALUE, "at least half is burned");
    }

    /// @notice At the last second of D0 after the first refutation a commit is in time.
    function testCommitWithinD0OfTheRefutationIsInTime() public {
        (bytes memory payload,) = _bare();
        address honest = opener;
        _paid(stranger);
        _commitAs(stranger);
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 1);
        _runOut(stranger, payload, "");
        vm.warp(block.timestamp + 8);
        _commitAs(honest);
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 1);
        (uint256 paid, uint256 cost) = _runOut(honest, payload, held);
        same(paid, cost, "costs");
    }

    /// @notice Costs of later winners are at most what is left, and leave refund and reward nothing.
    function testCostsOfLaterWinnersAreAtMostWhatIsLeft() public {
        (bytes memory payload, bytes32 root) = _bare();
        address honest = opener;
        _paid(stranger);
        _commitAs(stranger);
        _commitAs(honest);
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 1);
        _runOut(stranger, payload, "");
        uint256 left = _heldNumber(64);
        _feeAfterOpen = 500 gwei; // beyond what bonds assume
        (uint256 paid, uint256 cost) = _runOut(honest, payload, held);
        check(cost > left, "dearer than what is left");
        same(paid, left, "all that is left");
        same(_heldNumber(64), 0, "nothing is left");
        vm.warp(block.timestamp + 601);
        arena.settle(_case(claim, root), held);
        same(arena.burned(), RESERVE + VALUE - (RESERVE + VALUE) / 2, "half burns");
        same(arena.creditOf(user), 0, "no refund");
    }

    /// @notice Time-outs are metered: what they cost is the opener's, and on the opener's turn it comes out of his escrow.
    function testTimeoutsAreMetered() public {
        _open(claim, 0);
        uint256 before = _get(G.COST);
        uint256 escrow = _get(G.ESCROW);
        vm.warp(_get(G.DEADLINE) + 1);
        _timeout();
        uint256 cost = _get(G.COST);
        check(cost > before && _get(G.ESCROW) == escrow, "the time-out of D1");
        vm.warp(_get(G.LAST) + 1);
        _timeout();
        check(_get(G.COST) > cost && _get(G.ESCROW) == escrow, "the time-out of D2");
        same(arena.creditOf(stranger), 0, "paid to nobody");
        _resolve();
        claim.challengeUntil = uint64(block.timestamp + 1000);
        vm.warp(block.timestamp + 1);
        _toPick();
        (cost, escrow) = (_get(G.COST), _get(G.ESCROW));
        vm.warp(_get(G.DEADLINE) + 1);
        _timeout();
        uint256 paid = escrow - _get(G.ESCROW);
        check(paid != 0 && _get(G.COST) == cost + paid, "the time-out of the opener's turn");
        same(arena.creditOf(stranger), paid, "paid to who sent it");
    }

    /// @notice Bytes behind what a move brings are its sender's own affair.
    function testPaddedCalldataIsNotRepaid() public {
        _open(claim, 0);
        bytes memory call = _call(arena.reveal.selector, _revealPayload(), "");
        uint256 snapshot = logs.snapshotState();
        _as(node, call);
        uint256 plain = arena.creditOf(node);
        logs.revertToState(snapshot);
        _as(node, bytes.concat(call, new bytes(20_000)));
        check(arena.creditOf(node) < 2 * plain, "20,000 bytes behind the move");
    }

    /// @notice The slot of a party is never empty: neither stake nor credit of nothing leaves it so.
    function testPartiesAreKnown() public {
        vm.prank(LATE);
        arena.fund(0);
        check(arena.creditOf(LATE) == 0 && arena.openedBy(LATE) == 0, "nothing but known");
        uint256 all = arena.creditOf(opener);
        vm.prank(opener);
        arena.withdraw(all);
        check(arena.creditOf(opener) == 0 && arena.openedBy(opener) == 0, "no games");
    }
}
