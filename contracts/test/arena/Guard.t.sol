// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {GraphWorld} from "./GraphWorld.sol";
import {Directory} from "../../src/Directory.sol";
import {IDirectory} from "../../src/interfaces/IDirectory.sol";
import {IGuarded} from "../../src/interfaces/IGuarded.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";

/// @notice What guardian and governor can do, and what they cannot: SPEC 09 §10.
contract GuardTest is GraphWorld {
    uint32 private constant NOT_INCLUDED = type(uint32).max - 4;

    function setUp() public override {
        super.setUp();
        _run(true);
    }

    function _pause(uint256 until) private {
        vm.prank(GUARDIAN);
        arena.setPause(until);
    }

    function _refused(uint256 until, string memory what) private {
        bytes memory call = abi.encodeCall(arena.setPause, (until));
        _reverts(address(arena), GUARDIAN, call, IGuarded.BadPause.selector, what);
    }

    function _post() private view returns (bytes memory) {
        return abi.encodeCall(arena.postBatch, (keccak256("root"), 1, 0, block.timestamp + 90));
    }

    function testOnlyTheGuardianPauses() public {
        bytes memory call = abi.encodeCall(arena.setPause, (block.timestamp + 1));
        _reverts(address(arena), stranger, call, IGuarded.NotGuardian.selector, "a stranger");
        _reverts(address(arena), address(0), call, IGuarded.NotGuardian.selector, "nobody");
    }

    function testPauseHoldsNewClaimsToItsLastSecond() public {
        uint256 until = START + 100;
        _pause(until);
        vm.warp(until);
        _reverts(address(arena), node, _post(), IGuarded.Paused.selector, "in the pause");
        vm.warp(until + 1);
        _as(node, _post());
    }

    function testPauseEndsEarlyAndNoPauseIsLongOrEndless() public {
        _refused(START + 7 days + 1, "too long");
        _pause(START + 7 days);
        vm.warp(START + 1 days);
        _refused(START + 7 days + 1, "made longer than the longest");
        _pause(0); // ends with this second
        _reverts(address(arena), node, _post(), IGuarded.Paused.selector, "this second");
        vm.warp(START + 1 days + 1);
        _as(node, _post());
        _refused(START + 1 days + 2, "before it rested as long");
        vm.warp(START + 2 days - 1);
        _refused(START + 2 days, "one second before");
        vm.warp(START + 2 days);
        _pause(START + 9 days);
    }

    /// @notice Everything but a new batch works while claims are paused: games, verdicts, payouts, exits.
    function testPauseHoldsNoMoney() public {
        vm.prank(node);
        arena.requestUnbond(1e18);
        _pause(block.timestamp + 7 days);
        claim.challengeUntil = uint64(block.timestamp + 1000);
        _open(claim, 0);
        vm.warp(_get(G.LAST) + 1);
        _timeout();
        _phase(G.REFUTED);
        bytes32 caseId = _case(claim, 0);
        _resolve();
        vm.warp(block.timestamp + 601);
        arena.settle(caseId, held);
        uint256 credit = arena.creditOf(opener);
        vm.prank(opener);
        arena.withdraw(credit);
        (,,, uint40 unlockAt,,,) = arena.nodes(node);
        _pauseAgainAndAgain(unlockAt);
        vm.prank(node);
        same(arena.withdrawStake(), 1e18, "the stake leaves");
    }

    /// @dev A guardian who pauses whenever he may, until that time is over.
    function _pauseAgainAndAgain(uint256 time) private {
        uint256 at;
        while (at <= time) {
            (uint40 from, uint40 until) = arena.pause();
            at = uint256(until) + until - from;
            vm.warp(at);
            _pause(at + 7 days);
        }
    }

    function testWhatAPauseHeldUpIsNotDemandedBeforeItCanBePosted() public {
        claim.challengeUntil = uint64(START + 10_000);
        uint256 until = START + 100; // batchBy is within it
        _pause(until);
        vm.warp(until + 43);
        _commit(claim, NOT_INCLUDED); // in W/2 after the pause
        bytes memory call = abi.encodeCall(arena.open, (_signedPayload(claim, NOT_INCLUDED), ""));
        _fails(opener, call, IGuarded.Paused.selector, "half a window after the pause");
        vm.warp(until + 200);
        _commit2();
        _as(opener, abi.encodeCall(arena.open, (_signedPayload(claim, NOT_INCLUDED), "")));
        _phase(G.INCLUSION);
    }

    function testDutiesOfBeforeThePauseAreDemandedInIt() public {
        claim.challengeUntil = uint64(START + 10_000);
        vm.warp(START + 31); // batchBy is over
        _pause(block.timestamp + 100);
        _commit(claim, NOT_INCLUDED);
        _as(opener, abi.encodeCall(arena.open, (_signedPayload(claim, NOT_INCLUDED), "")));
        _phase(G.INCLUSION);
        _as(node, _post()); // whoever is asked for a batch can post it
    }

    /// @dev Lets the commit of the demand lapse and makes it anew.
    function _commit2() private {
        arena.expire(game);
        _commit(claim, NOT_INCLUDED);
    }

    // ---- directory

    function testAnArenaChangesNoFasterThanStakeLeaves() public {
        address governor = address(0x60B);
        Directory d = new Directory(governor, 1 days);
        bytes memory announce = abi.encodeCall(d.announce, (address(arena)));
        _reverts(address(d), stranger, announce, IDirectory.NotGovernor.selector, "a stranger");
        bytes memory nothing = abi.encodeCall(d.announce, (stranger));
        _reverts(address(d), governor, nothing, IDirectory.NotArena.selector, "no code");
        bytes memory change = abi.encodeCall(d.change, ());
        _reverts(address(d), stranger, change, IDirectory.NothingAnnounced.selector, "nothing yet");
        vm.prank(governor);
        d.announce(address(arena));
        vm.warp(START + 1 days);
        _reverts(address(d), stranger, change, IDirectory.NotDue.selector, "the delay is not over");
        vm.warp(START + 1 days + 1);
        d.change();
        same(bytes32(uint256(uint160(d.current()))), bytes32(uint256(uint160(address(arena)))), "current");
        _reverts(address(d), stranger, change, IDirectory.NothingAnnounced.selector, "changed already");
        // The next comes after the unbonding time of the one in use.
        vm.prank(governor);
        d.announce(address(arena));
        (, uint40 due) = d.next();
        same(due, block.timestamp + arena.UNBONDING(), "unbonding is longer than the delay");
        bytes memory withdraw = abi.encodeCall(d.withdraw, ());
        _reverts(address(d), stranger, withdraw, IDirectory.NotGovernor.selector, "a stranger takes back");
        vm.prank(governor);
        d.withdraw();
        _reverts(address(d), governor, withdraw, IDirectory.NothingAnnounced.selector, "taken back already");
        vm.warp(uint256(due) + 1);
        _reverts(address(d), stranger, change, IDirectory.NothingAnnounced.selector, "taken back");
    }
}
