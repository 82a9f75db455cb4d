// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {TokenWorld} from "./TokenWorld.sol";
import {IClaimBook} from "../../src/interfaces/IClaimBook.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {IGameRules, IOpenRules} from "../../src/interfaces/IRules.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";
import {States} from "../../src/libraries/States.sol";
import {Packed} from "../../src/libraries/Packed.sol";

/// @notice Games on the token model: states, KV, descents, batches (SPEC 06, 08).
contract TokenTest is TokenWorld {
    using Build for Build.Tree;

    function testHonestClaimIsDefendedAtEveryStage() public {
        uint256[4] memory steps = [uint256(0), 1, LIE_T, STATES - 1];
        for (uint256 k = 0; k < 4; ++k) {
            for (uint256 stage = 0; stage < 4; ++stage) {
                _defend(stage == 3 && steps[k] == 0 ? 4 : stage, steps[k]);
            }
        }
        _solvent(0);
    }

    function _defend(uint256 stage, uint256 t) private {
        _toStage(t);
        _toPick(stage, t);
        uint256 tensor = _get(G.TENSORS) - 1;
        _pick(uint8(tensor), stage > 2 ? 0 : 5);
        _answer(node, _answerPayload(stage, tensor, t));
        _phase(G.LOST);
        _resolve();
    }

    function testHonestRowsAreDefended() public {
        _toStage(5);
        _move(opener, arena.stage.selector, hex"ffff");
        _phase(G.ROWS);
        _move(node, arena.rows.selector, _rowsPayload(5));
        _fails(opener, _call(arena.layer.selector, hex"0002", ""), IGameRules.OutOfRange.selector, "layer 2 of 2");
        _move(opener, arena.layer.selector, hex"0001");
        same(_get(G.STAGE), 2, "stage");
        _move(node, arena.tensors.selector, _tensorsPayload(2, 5));
        _pick(1, 3);
        _answer(node, _answerPayload(2, 1, 5));
        _phase(G.LOST);
    }

    function testFalseTokenIsRefuted() public {
        _run(Lie.TOKEN);
        _toStage(LIE_T);
        _toPick(3, LIE_T);
        _pick(1, 0);
        _answer(stranger, _answerPayload(3, 1, LIE_T));
        _phase(G.REFUTED);
    }

    function testFalseRowIsRefuted() public {
        _run(Lie.ROW);
        _toStage(LIE_T);
        _move(opener, arena.stage.selector, hex"ffff");
        _move(node, arena.rows.selector, _rowsPayload(LIE_T));
        _move(opener, arena.layer.selector, hex"0001");
        _move(node, arena.tensors.selector, _tensorsPayload(2, LIE_T));
        _pick(1, 3);
        _answer(stranger, _answerPayload(2, 1, LIE_T));
        _phase(G.REFUTED);
    }

    function testRowsOfTheStageAreThoseOfThePosition() public {
        _toStage(LIE_T);
        _move(opener, arena.stage.selector, hex"0002");
        bytes memory good = _tensorsPayload(2, LIE_T);
        _run(Lie.ROW); // other rows than in the states that were opened
        bytes memory bad = _tensorsPayload(2, LIE_T);
        check(keccak256(good) != keccak256(bad), "the rows differ");
        _fails(node, _call(arena.tensors.selector, bad, ""), States.NotOpened.selector, "rows");
        _move(node, arena.tensors.selector, good);
    }

    function testDescentOverStatesFindsTheStep() public {
        _run(Lie.TOKEN);
        _open(claim, ANY_STATES);
        _phase(G.STATES);
        Build.Tree memory s = _states();
        _move(node, arena.children.selector, Build.pack(s.levels[0]));
        bytes memory beyond = abi.encodePacked(uint8(41), bytes32(0), s.sib(41, 42));
        _fails(opener, _call(arena.child.selector, beyond, ""), IGameRules.OutOfRange.selector, "beyond the count");
        bytes memory child = abi.encodePacked(uint8(LIE_T), hashes[LIE_T], s.sib(LIE_T, LIE_T + 1));
        _move(opener, arena.child.selector, child);
        _phase(G.REVEAL);
        same(_get(G.T), LIE_T, "t");
        _move(node, arena.reveal.selector, _revealPayload(LIE_T));
        _toPick(3, LIE_T);
        _pick(1, 0);
        _answer(stranger, _answerPayload(3, 1, LIE_T));
        _phase(G.REFUTED);
    }

    function testEditedOutputCannotBeRevealed() public {
        _run(Lie.OUTPUT);
        _toOutputLeaf(1);
        uint256 number = LIE_T + 1 - M;
        _move(node, arena.raw.selector, Build.leafAt(outputs, 64, number / 16));
        _move(opener, arena.element.selector, abi.encodePacked(uint16(number % 16), job));
        _phase(G.REVEAL);
        same(_get(G.T), LIE_T, "t");
        bytes memory reveal = _call(arena.reveal.selector, _revealPayload(LIE_T), "");
        _fails(node, reveal, IGameRules.Contradiction.selector, "output");
        vm.warp(_get(G.LAST) + 1);
        _timeout();
        _phase(G.REFUTED);
    }

    function testPaddingOnlyDifferenceCannotBeRevealed() public {
        _run(Lie.PADDING);
        _toOutputLeaf(2);
        bytes memory leaf = Build.leafAt(outputs, 64, 2);
        _fails(node, _call(arena.raw.selector, leaf, ""), IGameRules.BadPadding.selector, "padding");
    }

    function testHonestOutputsAreDefended() public {
        _toOutputLeaf(2);
        _move(node, arena.raw.selector, Build.leafAt(outputs, 64, 2));
        bytes memory beyond = abi.encodePacked(uint16(8), job);
        _fails(opener, _call(arena.element.selector, beyond, ""), IGameRules.OutOfRange.selector, "id 40 of 40");
        _move(opener, arena.element.selector, abi.encodePacked(uint16(7), job));
        same(_get(G.T), STATES - 1, "t");
        _move(node, arena.reveal.selector, _revealPayload(STATES - 1));
        _phase(G.STAGE_PICK);
    }

    function _toOutputLeaf(uint256 leaf) private {
        _open(claim, ANY_OUTPUTS);
        _phase(G.OUTPUTS);
        Build.Tree memory o = Build.ofBytes(outputs, 64);
        _move(node, arena.children.selector, Build.pack(o.levels[0]));
        _move(opener, arena.child.selector, abi.encodePacked(uint8(leaf), o.levels[0][leaf], o.sib(leaf, leaf + 1)));
        _phase(G.OUTPUTS);
        same(_get(G.LEVEL), 0, "level");
    }

    function testFalseFinishCannotBeRevealed() public {
        _run(Lie.FINISH);
        _open(claim, uint32(STATES - 1));
        bytes memory reveal = _call(arena.reveal.selector, _revealPayload(STATES - 1), "");
        _fails(node, reveal, IGameRules.Contradiction.selector, "finish");
    }

    function testEveryFieldOfARevealIsChecked() public {
        for (uint256 k = 0; k < 2; ++k) {
            uint256 t = k == 0 ? 1 : LIE_T;
            _open(claim, uint32(t));
            bytes memory good = _revealPayload(t);
            // b_0..b_L are free until R2 binds them; all other bytes are bound here, ids of other steps by their tree.
            uint256 boundaries = 296 + 106 + 32 * 5;
            for (uint256 i = 0; i < good.length; i += 13) {
                if (i >= boundaries && i < boundaries + 3 * 32) continue;
                bytes memory bad = bytes.concat(good);
                bad[i] ^= 0x01;
                check(_try(node, _call(arena.reveal.selector, bad, "")).length != 0, "a changed byte");
            }
            _move(node, arena.reveal.selector, good);
            vm.warp(_get(G.DEADLINE) + 1);
            _timeout();
            _resolve();
        }
    }

    function testHeadOfTheOtherKindIsRefused() public {
        _toStage(0);
        _fails(opener, _call(arena.stage.selector, hex"0003", ""), IGameRules.OutOfRange.selector, "EMIT of a prompt step");
        _move(opener, arena.stage.selector, hex"0004");
    }

    function testStepBeyondTheClaimCannotBeOpened() public {
        _commit(claim, uint32(STATES));
        (bytes32 digest,) = _digests(claim);
        bytes memory evidence = bytes.concat(hex"00", _signed(digest, NODE_KEY));
        bytes memory payload = _openPayload(claim, uint32(STATES), evidence);
        _fails(opener, abi.encodeCall(arena.open, (payload, "")), IOpenRules.BadStep.selector, "step 41 of 41");
    }

    // ---- batches

    function testBatchIsEvidenceReservesAndIsReleased() public {
        _run(Lie.TOKEN);
        (bytes32 digest,) = _digests(claim);
        bytes32[] memory digests = new bytes32[](5);
        digests[3] = digest;
        (bytes32 root, bytes memory path) = Build.list(digests, 3);
        uint256 cover = VALUE - 2e18; // the batch covers less than the claim's value; free stake stands for the rest
        uint256 until = block.timestamp + 90;
        bytes memory short = abi.encodeCall(arena.postBatch, (root, 5, cover, until - 1));
        _reverts(address(arena), node, short, IClaimBook.WindowTooShort.selector, "window");
        vm.prank(node);
        arena.postBatch(root, 5, cover, until);
        bytes memory again = abi.encodeCall(arena.postBatch, (root, 5, cover, until));
        _reverts(address(arena), node, again, IClaimBook.AlreadyPosted.selector, "twice");
        same(_reserved(), 5 * (RESERVE + cover), "reserved");
        claim.challengeUntil = uint64(START + 10_000);
        _commit(claim, uint32(LIE_T));
        bytes memory outside = abi.encodePacked(hex"01", root, uint16(5), path);
        bytes memory payload = _openPayload(claim, uint32(LIE_T), outside);
        check(_try(opener, abi.encodeCall(arena.open, (payload, ""))).length != 0, "index 5 of 5");
        bytes memory evidence = abi.encodePacked(hex"01", root, uint16(3), path);
        payload = _openPayload(claim, uint32(LIE_T), evidence);
        _as(opener, abi.encodeCall(arena.open, (payload, "")));
        same(_get(G.HOLD), RESERVE + VALUE, "the game holds the whole value");
        same(_reserved(), 5 * (RESERVE + cover) + RESERVE + VALUE, "beside the batch");
        vm.warp(until + 45);
        bytes memory release = abi.encodeCall(arena.releaseBatch, (node, root));
        _reverts(address(arena), stranger, release, IClaimBook.NotReleasable.selector, "a commit may still be opened");
        vm.warp(until + 46);
        arena.releaseBatch(node, root);
        same(_reserved(), RESERVE + VALUE, "the game holds what it held");
        _reverts(address(arena), stranger, release, IClaimBook.NoBatch.selector, "released twice");
        bytes memory again_ = abi.encodeCall(arena.postBatch, (root, 5, cover, until + 200));
        _reverts(address(arena), node, again_, IClaimBook.AlreadyPosted.selector, "posted again");
        vm.warp(_get(G.LAST) + 1);
        _timeout();
        _resolve();
        (uint128 stake,,,,,,) = arena.nodes(node);
        same(stake, STAKE - RESERVE - VALUE, "the whole value is slashed");
        same(_reserved(), 0, "nothing is held any more");
        (bool voided, bool refuted, bytes32 kept) = arena.verdicts(_case(claim, root));
        check(voided && refuted && kept == keccak256(held) & ~bytes32(uint256(3)), "verdict");
        (, refuted,) = arena.verdicts(_case(claim, 0));
        check(!refuted, "with the signature it is another case");
        uint256 cost = _get(G.COST);
        _solvent(RESERVE + VALUE - cost);
    }

    function testReserveCannotExceedFreeStake() public {
        uint256 most = STAKE / RESERVE;
        bytes memory tooMany = abi.encodeCall(arena.postBatch, (bytes32(uint256(1)), most + 1, 0, START + 90));
        _reverts(address(arena), node, tooMany, IStakeVault.Insufficient.selector, "too many");
        vm.prank(node);
        arena.postBatch(bytes32(uint256(1)), most, 0, START + 90);
        bytes memory more = abi.encodeCall(arena.postBatch, (bytes32(uint256(2)), 1, 0, START + 90));
        _reverts(address(arena), node, more, IStakeVault.Insufficient.selector, "one more");
        vm.prank(node);
        arena.requestUnbond(STAKE);
        vm.warp(START + 8 days);
        vm.prank(node);
        same(arena.withdrawStake(), 0, "reserved stake stays");
    }

    function _reserved() private view returns (uint256 reserved) {
        (, reserved,,,,,) = arena.nodes(node);
    }
}
