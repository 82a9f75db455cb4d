// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GraphWorld} from "./GraphWorld.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";

/// @notice What forge plays at random: games on an honest and on a lying claim, time, stakes, batches. Every call of it
/// succeeds; what the arena must take or refuse is checked on the way.
contract Court is GraphWorld {
    bool public live; // a game is open or decided and not resolved
    uint256 public turns; // of the game
    uint256 private _roots_;
    mapping(bytes32 caseId => bytes) private _kept; // what the verdict on a case holds
    bytes32[] private _cases;
    bytes32 private _oldGame;
    bytes private _oldState;
    bytes private _oldJob;
    bytes private _oldVerdict;

    function _over() private view returns (bool) {
        return G.isOver(_get(G.PHASE));
    }

    function start(uint256 lie) external {
        if (live) return;
        _run(lie % 2 == 1);
        claim.challengeUntil = uint64(block.timestamp + 1000);
        token.mint(opener, 1000e18);
        vm.prank(opener);
        arena.fund(1000e18);
        _open(claim, 0);
        (live, turns) = (true, 0);
    }

    /// @notice The move that is due, by who must make it: the arena takes it up to the deadline and no longer.
    function move(uint256 element) external {
        if (!live || _over()) return;
        uint256 phase = _get(G.PHASE);
        (address who, bytes memory call) = _due(phase, element % N);
        bytes memory failure = _try(who, call);
        bool late = block.timestamp > _get(G.isNodes(phase) && failure.length != 0 ? G.LAST : G.DEADLINE);
        if (failure.length != 0) check(late, "a legal move in time is refused");
        else ++turns;
    }

    function _due(uint256 phase, uint256 element) private view returns (address who, bytes memory call) {
        if (phase == G.REVEAL) return (node, _call(arena.reveal.selector, _revealPayload(), ""));
        if (phase == G.STAGE_PICK) return (opener, _call(arena.stage.selector, hex"0000", ""));
        if (phase == G.TENSORS_DUE) return (node, _call(arena.tensors.selector, _tensorsPayload(), ""));
        if (phase == G.PICK) {
            bytes memory pick = abi.encodePacked(uint8(3), uint64(element % 2 == 0 ? LIE : element));
            return (opener, _call(arena.pick.selector, pick, ""));
        }
        return (stranger, abi.encodeCall(arena.answer, (game, state, _answerPayload(3, _get(G.INDEX)))));
    }

    /// @notice A turn can be ended exactly when its deadline is over.
    function timeout() external {
        if (!live || _over()) return;
        (uint256 deadline, uint256 last) = (_get(G.DEADLINE), _get(G.LAST));
        bool due = block.timestamp > deadline;
        if (G.isNodes(_get(G.PHASE))) due = block.timestamp > last || (due && _get(G.FLAGS) & G.VOID == 0);
        bytes memory failure = _try(stranger, abi.encodeCall(arena.timeout, (game, state, job)));
        check((failure.length == 0) == due, "timeout");
    }

    function resolve() external {
        if (!live) return;
        if (!_over()) {
            bytes memory call = abi.encodeCall(arena.resolve, (game, state, ""));
            check(_try(stranger, call).length != 0, "an undecided game was resolved");
            return;
        }
        bytes32 id = bytes32(_get(G.CASE));
        bool refuted = _get(G.PHASE) == G.REFUTED;
        _resolve(refuted ? _kept[id] : bytes(""));
        if (refuted && held.length != 0) {
            if (_kept[id].length == 0) _cases.push(id);
            _kept[id] = held;
        }
        live = false;
        _oldGame = game;
        _oldState = state;
        _oldJob = job;
        _oldVerdict = verdict;
    }

    /// @notice Nothing moves after resolution.
    function replay(uint256 element) external {
        if (live || _oldState.length == 0) return;
        game = _oldGame;
        state = _oldState;
        job = _oldJob;
        verdict = _oldVerdict;
        uint256 before = _owed();
        for (uint256 phase = 5; phase < 16; ++phase) {
            (address who, bytes memory call) = _due(phase, element % N);
            check(_try(who, call).length != 0, "a move in a closed game");
        }
        check(_try(stranger, abi.encodeCall(arena.timeout, (game, state, job))).length != 0, "a timeout");
        check(_try(stranger, abi.encodeCall(arena.resolve, (game, verdict, ""))).length != 0, "resolved twice");
        same(_owed(), before, "money moved");
    }

    function settle(uint256 which) external {
        if (_cases.length == 0) return;
        bytes32 id = _cases[which % _cases.length];
        bytes memory keeps = _kept[id];
        bytes memory failure = _try(stranger, abi.encodeCall(arena.settle, (id, keeps)));
        if (keeps.length == 0) {
            check(failure.length != 0, "nothing was held");
            return;
        }
        uint64 settleAt;
        assembly {
            settleAt := shr(192, mload(add(keeps, 56)))
        }
        check((failure.length == 0) == (block.timestamp > settleAt), "settleAt");
        if (failure.length == 0) delete _kept[id];
    }

    function wait_(uint256 time) external {
        vm.warp(block.timestamp + time % 400);
        vm.roll(block.number + 1);
    }

    // ---- stake

    function post(uint256 count, uint256 cover) external {
        (uint128 stake, uint128 reserved, uint128 unbonding,,,, bool jailed) = arena.nodes(node);
        (count, cover) = (1 + count % 20, cover % 200e18);
        bytes memory call =
            abi.encodeCall(arena.postBatch, (bytes32(++_roots_), count, cover, block.timestamp + 90));
        bool ok = _try(node, call).length == 0;
        bool room = uint256(reserved) + unbonding + count * (RESERVE + cover) <= stake;
        check(ok == (room && !jailed), "a batch beyond the stake, or of a jailed node");
    }

    function release(uint256 root) external {
        root = root % (_roots_ + 1);
        (uint16 count, uint40 until,,) = arena.batches(arena.keyOf(node, bytes32(root)));
        bytes memory call = abi.encodeCall(arena.releaseBatch, (node, bytes32(root)));
        check((_try(stranger, call).length == 0) == (count != 0 && block.timestamp > until + 45), "release");
    }

    function unbond(uint256 amount) external {
        (uint128 stake,,,,,,) = arena.nodes(node);
        check(_try(node, abi.encodeCall(arena.requestUnbond, (amount % (uint256(stake) + 1)))).length == 0, "unbond");
    }

    /// @notice Stake leaves a jailed node, or one with open games, never; and nobody's before its time.
    function leave() external {
        (, uint128 reserved,, uint40 unlockAt,, uint24 games, bool jailed) = arena.nodes(node);
        bool may = block.timestamp > unlockAt && games == 0 && !(jailed && reserved != 0);
        check((_try(node, abi.encodeCall(arena.withdrawStake, ())).length == 0) == may, "stake left");
    }

    // ---- what must hold

    /// @notice What the arena owes: stakes, credits, bonds of the open game, what verdicts hold, what is burned.
    function _owed() private view returns (uint256 sum) {
        (uint128 stake,,,,,,) = arena.nodes(node);
        sum = uint256(stake) + arena.burned() + arena.creditOf(node) + arena.creditOf(opener) + arena.creditOf(stranger)
            + arena.creditOf(user);
        if (live) sum += _get(G.ESCROW);
        for (uint256 i = 0; i < _cases.length; ++i) {
            sum += _heldBy(_kept[_cases[i]]);
        }
    }

    /// @notice The half that burns, and what is left of the other.
    function _heldBy(bytes memory keeps) private pure returns (uint256) {
        if (keeps.length == 0) return 0;
        uint256 slashed;
        uint256 left;
        assembly {
            slashed := shr(128, mload(add(keeps, 64)))
            left := shr(128, mload(add(keeps, 96)))
        }
        return slashed - slashed / 2 + left;
    }

    function solvent() external view {
        same(token.balanceOf(address(arena)), _owed(), "solvency to the last unit");
        (,,,,, uint24 games,) = arena.nodes(node);
        same(games, live ? 1 : 0, "games against the node");
        same(arena.openedBy(opener), live ? 1 : 0, "games of the opener");
        check(turns <= 41, "longer than the stated bound");
    }
}
