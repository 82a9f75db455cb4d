// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {GraphWorld} from "./GraphWorld.sol";
import {IDisputeArena} from "../../src/interfaces/IDisputeArena.sol";
import {IGameRules, IOpenRules} from "../../src/interfaces/IRules.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {Digests} from "../../src/libraries/Digests.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";
import {Job} from "../../src/libraries/Job.sol";
import {Packed} from "../../src/libraries/Packed.sol";
import {States} from "../../src/libraries/States.sol";

/// @notice Games on the graph model: SPEC 08 §3 to §6.
contract GraphTest is GraphWorld {
    using Build for Build.Tree;

    // ---- who wins

    function testHonestClaimIsDefendedForEveryTensor() public {
        for (uint8 tensor = 1; tensor < 4; ++tensor) {
            _toPick(); // the key is free again, because the game before was closed
            _pick(tensor, 5 * tensor);
            _answer(stranger, _answerPayload(tensor, 5 * tensor));
            _phase(G.LOST);
            _resolve();
        }
        _solvent(0);
    }

    function testLyingElementIsRefuted() public {
        _run(true);
        _toPick();
        _pick(3, uint64(LIE));
        _answer(stranger, _answerPayload(3, LIE));
        _phase(G.REFUTED);
    }

    function testTrueElementOfALyingClaimLoses() public {
        _run(true);
        _toPick();
        _pick(3, uint64(LIE + 1));
        _answer(stranger, _answerPayload(3, LIE + 1));
        _phase(G.LOST);
    }

    function testDescentFindsTheLie() public {
        _run(true);
        _toPick();
        _move(opener, arena.pick.selector, _descendPayload(3));
        _phase(G.TENSOR_DUE);
        Build.Tree memory t = _tree(3);
        _move(node, arena.children.selector, Build.pack(t.levels[0]));
        _phase(G.TENSOR_PICK);
        uint256 i = LIE * 4 / 64;
        _move(opener, arena.child.selector, abi.encodePacked(uint8(i), t.levels[0][i], t.sib(i, i + 1)));
        _phase(G.RAW);
        _move(node, arena.raw.selector, Build.leafAt(tensors[3], 64, i));
        _phase(G.ELEMENT_PICK);
        _move(opener, arena.element.selector, abi.encodePacked(uint16(LIE % 16)));
        _phase(G.ANSWER);
        same(_get(G.INDEX), LIE, "index");
        _answer(stranger, _answerPayload(3, LIE));
        _phase(G.REFUTED);
    }

    function testPickOutsideTheTensorLoses() public {
        _toPick();
        _pick(3, uint64(N));
        _answer(node, bytes.concat(job, _opened(3)));
        _phase(G.LOST);
    }

    // ---- who may move

    function testStrangersCannotMove() public {
        _open(claim, 0);
        bytes4 wrong = IDisputeArena.NotParty.selector;
        _fails(stranger, _call(arena.reveal.selector, _revealPayload(), ""), wrong, "stranger reveals");
        _fails(opener, _call(arena.reveal.selector, _revealPayload(), ""), wrong, "opener reveals");
        _move(node, arena.reveal.selector, _revealPayload());
        _fails(stranger, _call(arena.stage.selector, hex"0000", ""), wrong, "stranger picks the stage");
        _fails(node, _call(arena.stage.selector, hex"0000", ""), wrong, "node picks the stage");
        _move(opener, arena.stage.selector, hex"0000");
        _fails(stranger, _call(arena.tensors.selector, _tensorsPayload(), ""), wrong, "stranger posts tensors");
        _move(node, arena.tensors.selector, _tensorsPayload());
        bytes memory pick = abi.encodePacked(uint8(3), uint64(0));
        _fails(stranger, _call(arena.pick.selector, pick, ""), wrong, "stranger picks");
        _fails(node, _call(arena.pick.selector, pick, ""), wrong, "node picks");
    }

    function testSignedMoveByRelayer() public {
        _open(claim, 0);
        bytes memory payload = _revealPayload();
        bytes32 digest = Digests.move(arena.domainSeparator(), game, arena.slots(game), keccak256(payload));
        bytes memory byOpener = _signed(digest, OPENER_KEY);
        _fails(stranger, _call(arena.reveal.selector, payload, byOpener), IDisputeArena.NotParty.selector, "wrong key");
        bytes32 other = Digests.move(arena.domainSeparator(), game, bytes32(uint256(1)), keccak256(payload));
        bytes memory stale = _call(arena.reveal.selector, payload, _signed(other, NODE_KEY));
        _fails(stranger, stale, IDisputeArena.NotParty.selector, "other state");
        uint256 before = arena.creditOf(stranger);
        _as(stranger, _call(arena.reveal.selector, payload, _signed(digest, NODE_KEY)));
        _phase(G.STAGE_PICK);
        check(arena.creditOf(stranger) > before, "the relayer is repaid");
    }

    function testDelegateMovesUntilRevoked() public {
        _open(claim, 0);
        vm.prank(node);
        registry.setDelegate(stranger, true);
        _move(stranger, arena.reveal.selector, _revealPayload());
        _phase(G.STAGE_PICK);
        vm.prank(opener);
        registry.setDelegate(stranger, true);
        vm.prank(opener);
        registry.setDelegate(stranger, false);
        bytes memory call = _call(arena.stage.selector, hex"0000", "");
        _fails(stranger, call, IDisputeArena.NotParty.selector, "revoked");
    }

    // ---- what is malformed reverts

    function testMalformedAnswersRevert() public {
        _run(true);
        _toPick();
        _pick(3, uint64(LIE));
        bytes memory good = _answerPayload(3, LIE);
        for (uint256 i = 0; i < good.length; i += 97) {
            bytes memory bad = bytes.concat(good);
            bad[i] ^= 0x01;
            bytes memory failure = _try(stranger, abi.encodeCall(arena.answer, (game, state, bad)));
            check(failure.length != 0, "a changed byte");
        }
        bytes memory long = bytes.concat(good, hex"00");
        _fails(stranger, abi.encodeCall(arena.answer, (game, state, long)), Packed.PayloadLength.selector, "long");
        assembly {
            mstore(good, sub(mload(good), 1))
        }
        check(_try(stranger, abi.encodeCall(arena.answer, (game, state, good))).length != 0, "short");
        _phase(G.ANSWER);
        _answer(stranger, _answerPayload(3, LIE));
        _phase(G.REFUTED);
    }

    function testMalformedNodeMovesRevert() public {
        _open(claim, 0);
        bytes memory reveal = _revealPayload();
        reveal[296] ^= 0x01;
        _fails(node, _call(arena.reveal.selector, reveal, ""), States.NotOpened.selector, "b_0");
        reveal = _revealPayload();
        reveal[0] ^= 0x01;
        _fails(node, _call(arena.reveal.selector, reveal, ""), Job.WrongJob.selector, "job");
        _move(node, arena.reveal.selector, _revealPayload());
        _fails(opener, _call(arena.stage.selector, hex"0001", ""), IGameRules.OutOfRange.selector, "stage");
        _fails(opener, _call(arena.stage.selector, hex"ffff", ""), IGameRules.OutOfRange.selector, "KV of a graph");
        _fails(opener, _call(arena.stage.selector, hex"000000", ""), Packed.PayloadLength.selector, "stage length");
        _move(opener, arena.stage.selector, hex"0000");
        bytes memory list = _tensorsPayload();
        list[192 + 7 * 32] ^= 0x01; // root of the input
        _fails(node, _call(arena.tensors.selector, list, ""), States.NotOpened.selector, "input");
        list = _tensorsPayload();
        list[192 + 7 * 32 + 3 * 32] ^= 0x01; // root of the output
        _fails(node, _call(arena.tensors.selector, list, ""), States.NotOpened.selector, "output");
        _move(node, arena.tensors.selector, _tensorsPayload());
        bytes memory zero = abi.encodePacked(uint8(0), uint64(0));
        _fails(opener, _call(arena.pick.selector, zero, ""), IGameRules.OutOfRange.selector, "input picked");
        bytes memory beyond = abi.encodePacked(uint8(4), uint64(0));
        _fails(opener, _call(arena.pick.selector, beyond, ""), IGameRules.OutOfRange.selector, "tensor 4");
    }

    function testRawAndElementAreBounded() public {
        _toPick();
        _move(opener, arena.pick.selector, _descendPayload(1));
        Build.Tree memory t = _tree(1);
        bytes memory short = new bytes(15 * 32);
        _fails(node, _call(arena.children.selector, short, ""), Packed.PayloadLength.selector, "15 of 16 children");
        bytes memory wrong = Build.pack(t.levels[0]);
        wrong[0] ^= 0x01;
        _fails(node, _call(arena.children.selector, wrong, ""), States.NotOpened.selector, "a wrong child");
        _move(node, arena.children.selector, Build.pack(t.levels[0]));
        bytes memory beyond = abi.encodePacked(uint8(16), t.levels[0][0], t.sib(0, 1));
        _fails(opener, _call(arena.child.selector, beyond, ""), IGameRules.OutOfRange.selector, "child 16");
        _move(opener, arena.child.selector, abi.encodePacked(uint8(0), t.levels[0][0], t.sib(0, 1)));
        bytes memory junk = Build.leafAt(tensors[1], 64, 0);
        junk[63] ^= 0x01;
        _fails(node, _call(arena.raw.selector, junk, ""), States.NotOpened.selector, "another leaf");
        _move(node, arena.raw.selector, Build.leafAt(tensors[1], 64, 0));
        _fails(opener, _call(arena.element.selector, hex"0008", ""), IGameRules.OutOfRange.selector, "element 8 of 8");
    }

    function testStateOfAnotherGameIsRefused() public {
        _open(claim, 0);
        state[78] ^= 0x01; // escrow
        _fails(node, _call(arena.reveal.selector, _revealPayload(), ""), G.WrongState.selector, "state");
    }

    function testMovesOutOfTurnAreRefused() public {
        _open(claim, 0);
        _fails(node, _call(arena.tensors.selector, _tensorsPayload(), ""), G.WrongPhase.selector, "R2 before R1");
        _fails(node, _call(arena.children.selector, "", ""), G.WrongPhase.selector, "children");
        _fails(node, abi.encodeCall(arena.resolve, (game, state, "")), G.WrongState.selector, "resolve of a state");
        _fails(node, abi.encodeCall(arena.answer, (game, state, job)), G.WrongPhase.selector, "answer");
    }

    // ---- commit and open

    function testOpenNeedsALaterBlockAndComesInTime() public {
        game = _key(claim, 0);
        vm.prank(opener);
        arena.commit(game);
        (bytes32 digest,) = _digests(claim);
        bytes memory evidence = bytes.concat(hex"00", _signed(digest, NODE_KEY));
        bytes memory call = abi.encodeCall(arena.open, (_openPayload(claim, 0, evidence), ""));
        _fails(opener, call, IDisputeArena.OutOfTime.selector, "same block");
        vm.roll(block.number + 1);
        vm.warp(START + 46);
        _fails(opener, call, IDisputeArena.OutOfTime.selector, "expired");
        vm.warp(START + 45);
        _fails(stranger, call, IDisputeArena.NotParty.selector, "stranger opens");
        bytes memory bad = bytes.concat(hex"00", _signed(digest, OPENER_KEY));
        bytes memory forged = abi.encodeCall(arena.open, (_openPayload(claim, 0, bad), ""));
        _fails(opener, forged, IOpenRules.NoEvidence.selector, "forged");
        _as(opener, call);
        _phase(G.REVEAL);
        _fails(opener, call, IDisputeArena.NoCommit.selector, "twice");
    }

    function testExpiredCommitIsBurned() public {
        game = _key(claim, 0);
        vm.prank(opener);
        arena.commit(game);
        vm.warp(START + 45);
        _fails(stranger, abi.encodeCall(arena.expire, (game)), IDisputeArena.TooEarly.selector, "too early");
        vm.warp(START + 46);
        arena.expire(game);
        same(arena.burned(), arena.commitBond(), "burned");
        _solvent(0);
    }

    function testCommitAfterTheWindowIsRefused() public {
        claim.challengeUntil = uint64(START - 1);
        _commit(claim, 0);
        (bytes32 digest,) = _digests(claim);
        bytes memory payload = _signedPayload(claim, 0);
        _fails(opener, abi.encodeCall(arena.open, (payload, "")), IDisputeArena.WindowOver.selector, "late");
    }

    function testBondAboveTheOpenersLimitIsRefused() public {
        _commit(claim, 0);
        (bytes32 digest,) = _digests(claim);
        bytes memory payload = _signedPayload(claim, 0);
        for (uint256 i = 0; i < 16; ++i) {
            payload[56 + i] = i == 15 ? bytes1(0x01) : bytes1(0);
        }
        _fails(opener, abi.encodeCall(arena.open, (payload, "")), IDisputeArena.BondTooHigh.selector, "bond");
    }

    function testBondDoublesPerEightGames() public view {
        uint256 base = arena.bondOf(0, 0);
        same(arena.bondOf(7, 0), base, "7");
        same(arena.bondOf(8, 0), 2 * base, "8");
        same(arena.bondOf(31, 0), 8 * base, "31");
        same(arena.bondOf(0, 1000), base + 1000 * 1e15, "work");
        same(arena.commitBond() * 2, base, "half at commit");
        // 2,500,000 gas * 4 gwei * 1.5 * 3000 tokens per ether.
        same(base, 45e18, "base");
    }

    // ---- clocks

    function testDeadlinesAreExact() public {
        _open(claim, 0);
        uint256 d1 = _get(G.DEADLINE);
        uint256 d2 = _get(G.LAST);
        same(d1, block.timestamp + 1 + 8 + 1, "D1: one second of work in the queue, one of block space");
        same(d2, d1 + 8, "D2");
        vm.warp(d1);
        bytes memory call = abi.encodeCall(arena.timeout, (game, state, job));
        _fails(stranger, call, IDisputeArena.TooEarly.selector, "at D1");
        vm.warp(d2);
        uint256 kept = _get(G.ESCROW);
        _timeout();
        same(_get(G.FLAGS) & G.VOID, 1, "void");
        same(_get(G.ESCROW), kept, "escrow");
        _phase(G.REVEAL);
        call = abi.encodeCall(arena.timeout, (game, state, job));
        _fails(stranger, call, IDisputeArena.TooEarly.selector, "void twice");
        _move(node, arena.reveal.selector, _revealPayload());
        same(_get(G.DEADLINE), block.timestamp + 16 + 1, "opener's time");
        vm.warp(_get(G.DEADLINE));
        call = abi.encodeCall(arena.timeout, (game, state, job));
        _fails(stranger, call, IDisputeArena.TooEarly.selector, "opener at his deadline");
        vm.warp(_get(G.DEADLINE) + 1);
        _fails(opener, _call(arena.stage.selector, hex"0000", ""), IDisputeArena.TooLate.selector, "late pick");
        _timeout();
        _phase(G.LOST);
        _resolve();
        (bool voided, bool refuted,) = arena.verdicts(_case(claim, 0));
        check(voided && !refuted, "void and not refuted");
        _solvent(0);
    }

    function testNodeThatMissesD2IsRefuted() public {
        _open(claim, 0);
        vm.warp(_get(G.LAST) + 1);
        bytes memory late = _call(arena.reveal.selector, _revealPayload(), "");
        _fails(node, late, IDisputeArena.TooLate.selector, "after D2");
        _timeout();
        _phase(G.REFUTED);
    }

    function testLateMoveVoids() public {
        _open(claim, 0);
        vm.warp(_get(G.DEADLINE) + 1);
        _move(node, arena.reveal.selector, _revealPayload());
        same(_get(G.FLAGS) & G.VOID, 1, "void");
    }

    /// @notice SPEC 08 §5.5: block space for a largest move in every open game, for both sides.
    function testOpenGamesLengthenDeadlines() public {
        uint256 games = 100; // 345,000 * 100 / 30,000,000 = 1.15
        for (uint256 i = 0; i < games; ++i) {
            _openSalted(bytes32(i));
        }
        same(arena.openedBy(opener), games, "games of the opener");
        same(_get(G.DEADLINE), block.timestamp + games + 8 + 2, "D1 of the hundredth");
        same(_get(G.LAST), _get(G.DEADLINE) + 8, "D2");
        _move(node, arena.reveal.selector, _revealPayload());
        same(_get(G.DEADLINE), block.timestamp + 16 + 2, "opener's time");
        _move(opener, arena.stage.selector, hex"0000");
        same(_get(G.DEADLINE), block.timestamp + 8 + 2, "D1");
        vm.warp(_get(G.LAST) + 1);
        _timeout();
        _resolve();
        same(arena.openedBy(opener), games - 1, "one has ended");
    }

    /// @notice Opens a game on the claim under another salt, in a block of its own and in no time.
    function _openSalted(bytes32 salt) private {
        (, bytes32 id) = _digests(claim);
        game = keccak256(abi.encodePacked(opener, id, uint32(0), salt));
        token.mint(opener, 1e30);
        vm.prank(opener);
        arena.fund(1e30);
        vm.prank(opener);
        arena.commit(game);
        vm.roll(block.number + 1);
        bytes memory payload = _signedPayload(claim, 0);
        for (uint256 i = 0; i < 32; ++i) {
            payload[24 + i] = salt[i];
        }
        _as(opener, abi.encodeCall(arena.open, (payload, "")));
    }

    function testQueueGrowsByWork() public {
        _open(claim, 0);
        uint256 first = _get(G.DEADLINE);
        claim.challengeUntil += 1;
        bytes32 other = keccak256("another salt");
        vm.prank(opener);
        (bytes32 digest, bytes32 id) = _digests(claim);
        bytes32 key = keccak256(abi.encodePacked(opener, id, uint32(0), other));
        vm.prank(opener);
        arena.commit(key);
        vm.roll(block.number + 1);
        bytes memory payload = _signedPayload(claim, 0);
        for (uint256 i = 0; i < 32; ++i) {
            payload[24 + i] = other[i];
        }
        _as(opener, abi.encodeCall(arena.open, (payload, "")));
        same(_get(G.DEADLINE), first + 1, "one more second of work");
    }

    // ---- money

    function testLostGamePaysHalfAndBurnsHalf() public {
        uint256 credit = arena.creditOf(opener);
        _toPick();
        uint256 bond = arena.bondOf(0, 1);
        same(credit - arena.creditOf(opener), bond, "the bond");
        _pick(2, 9);
        _answer(node, _answerPayload(2, 9));
        uint256 escrow = _get(G.ESCROW);
        uint256 paid = arena.creditOf(node);
        same(paid + escrow, bond, "escrow and gas are the bond");
        check(paid > 0, "the node's gas is repaid");
        _resolve();
        same(arena.creditOf(node), paid + escrow / 2, "half to the node");
        same(arena.burned(), escrow - escrow / 2, "half burned");
        (uint128 stake,,,,, uint24 games, bool jailed) = arena.nodes(node);
        same(stake, STAKE, "the stake is untouched");
        check(games == 0 && !jailed, "no open games, not jailed");
        _solvent(0);
    }

    function testRefutedClaimPaysInOrder() public {
        _run(true);
        uint256 credit = arena.creditOf(opener);
        _toPick();
        _pick(3, uint64(LIE));
        _answer(opener, _answerPayload(3, LIE));
        uint256 cost = _get(G.COST);
        uint256 escrow = _get(G.ESCROW);
        uint256 before = arena.creditOf(opener);
        _resolve();
        uint256 slashed = RESERVE + VALUE;
        uint256 costs = cost;
        (uint256 refund, uint256 reward) = arena.split(slashed, cost, slashed / 2 - cost, PRICE);
        check(costs > 0 && refund == 3 * PRICE && reward > 0, "every part is paid");
        same(arena.creditOf(opener), before + escrow + costs, "escrow and costs");
        (uint128 stake,,,,,, bool jailed) = arena.nodes(node);
        same(stake, STAKE - slashed, "stake");
        check(jailed, "jailed");
        _solvent(slashed - costs);
        bytes32 id = _case(claim, 0);
        bytes memory call = abi.encodeCall(arena.settle, (id, held));
        vm.warp(block.timestamp + 600);
        _fails(stranger, call, IDisputeArena.NothingToSettle.selector, "at D3");
        vm.warp(block.timestamp + 1);
        bytes memory other = bytes.concat(held);
        other[115] ^= 0x01; // price
        _fails(stranger, abi.encodeCall(arena.settle, (id, other)), IDisputeArena.WrongHeld.selector, "price");
        arena.settle(id, held);
        same(arena.creditOf(user), refund, "user");
        same(arena.creditOf(opener), before + escrow + costs + reward, "reward");
        same(arena.burned(), slashed - costs - refund - reward, "burned");
        check(arena.burned() * 2 >= slashed, "at least half is burned");
        check(arena.creditOf(opener) > credit, "the challenger gains");
        _solvent(0);
        _fails(stranger, call, IDisputeArena.NothingToSettle.selector, "settled twice");
        uint256 all = arena.creditOf(opener);
        vm.prank(opener);
        arena.withdraw(all);
        same(token.balanceOf(opener), 100_000e18 - FUNDS + all, "withdrawn");
        _solvent(0);
    }

    function testSecondRefutationSlashesNothingButTheEarlierCommitTakesTheReward() public {
        _run(true);
        // The opener commits first; a second address plays the same lie faster.
        bytes32 mine = _key(claim, 0);
        vm.prank(opener);
        arena.commit(mine);
        address honest = opener;
        (address other, uint256 otherKey) = (vm.addr(0xC0FFEE), 0xC0FFEE);
        _endow(other);
        vm.prank(other);
        arena.fund(FUNDS);
        opener = other;
        vm.warp(block.timestamp + 1);
        _toPick();
        _pick(3, uint64(LIE));
        _answer(other, _answerPayload(3, LIE));
        _resolve();
        check(address(bytes20(held)) == other && otherKey != 0, "the first winner holds the reward");
        bytes memory first = held;
        uint256 burned = arena.burned();
        (uint128 stake,,,,,,) = arena.nodes(node);
        opener = honest;
        game = mine;
        (bytes32 digest,) = _digests(claim);
        bytes memory payload = _signedPayload(claim, 0);
        _as(opener, abi.encodeCall(arena.open, (payload, "")));
        vm.warp(_get(G.LAST) + 1);
        _timeout();
        uint256 cost = _get(G.COST);
        uint256 before = arena.creditOf(opener) + _get(G.ESCROW);
        bytes memory without = abi.encodeCall(arena.resolve, (game, verdict, ""));
        _fails(node, without, IDisputeArena.WrongHeld.selector, "nobody keeps the winner from the reward");
        _resolve(first);
        same(arena.creditOf(opener), before + cost, "escrow and costs, nothing else");
        same(arena.burned(), burned, "nothing burned again");
        (uint128 left,,,,,,) = arena.nodes(node);
        same(uint256(stake) - left, cost, "only the costs are slashed");
        check(address(bytes20(held)) == honest, "the earlier commit takes the reward over");
        vm.warp(block.timestamp + 601);
        arena.settle(_case(claim, 0), held);
        (, uint256 reward) = arena.split(RESERVE + VALUE, _heldNumber(48), _heldNumber(64), PRICE);
        same(arena.creditOf(opener), before + cost + reward, "reward");
    }

    function testClaimThatIsFalseOnItsFaceIsRefutedByItsOpening() public {
        claim.n = 1; // a graph model has no outputs to count
        _open(claim, ON_ITS_FACE);
        _phase(G.REFUTED);
        same(_get(G.HOLD), RESERVE + VALUE, "hold");
        _resolve();
        (, bool refuted,) = arena.verdicts(_case(claim, 0));
        check(refuted, "refuted");
        (uint128 stake, uint128 reserved,,,, uint24 games, bool jailed) = arena.nodes(node);
        same(stake, STAKE - RESERVE - VALUE, "stake");
        check(reserved == 0 && games == 0 && jailed, "nothing is left open");
        _commit(claim, 0);
        bytes memory call = abi.encodeCall(arena.open, (_signedPayload(claim, 0), ""));
        _fails(opener, call, IOpenRules.BadClaim.selector, "at a step");
        claim.n = 0;
        _commit(claim, ON_ITS_FACE);
        call = abi.encodeCall(arena.open, (_signedPayload(claim, ON_ITS_FACE), ""));
        _fails(opener, call, IOpenRules.BadStep.selector, "a sound claim");
    }

    function testGamesHoldStakeOfTheirOwn() public {
        vm.prank(node);
        arena.postBatch(bytes32(uint256(1)), 99, 0, START + 90); // 100 token stay free
        _open(claim, 0);
        same(_get(G.HOLD), RESERVE, "the value is not covered");
        (, uint128 reserved,,,, uint24 games,) = arena.nodes(node);
        same(reserved, STAKE, "all is reserved");
        same(games, 1, "games");
        bytes memory more = abi.encodeCall(arena.postBatch, (bytes32(uint256(2)), 1, 0, START + 200));
        _reverts(address(arena), node, more, IStakeVault.Insufficient.selector, "held stake posts nothing");
        vm.warp(_get(G.LAST) + 1);
        _timeout();
        vm.warp(START + 90 + 46);
        arena.releaseBatch(node, bytes32(uint256(1)));
        _resolve();
        (uint128 stake, uint128 left,,,,,) = arena.nodes(node);
        same(stake, STAKE - RESERVE, "what was held is taken, though there is more by now");
        same(left, 0, "reserved");
    }

    function testLostGameOnARefutedClaimBurnsItsHalf() public {
        _run(true);
        testRefutedClaimPaysInOrder();
        vm.warp(block.timestamp + 1);
        uint256 burned = arena.burned();
        vm.prank(opener);
        arena.fund(1000e18);
        claim.challengeUntil = uint64(block.timestamp + 1000);
        _toPick();
        vm.warp(_get(G.DEADLINE) + 1);
        _timeout();
        _resolve();
        check(arena.burned() > burned, "a second game on the refuted claim that is lost burns");
    }

    function testStakeIsHeldByOpenGamesUnbondingAndJail() public {
        vm.prank(node);
        arena.requestUnbond(STAKE);
        _run(true);
        vm.warp(START + 7 days - 3);
        claim.challengeUntil = uint64(block.timestamp + 1000);
        _toPick();
        vm.warp(START + 7 days + 1);
        _reverts(address(arena), node, abi.encodeCall(arena.withdrawStake, ()), IStakeVault.Locked.selector, "locked");
        vm.warp(_get(G.DEADLINE));
        _pick(3, uint64(LIE));
        _answer(opener, _answerPayload(3, LIE));
        _resolve();
        vm.warp(START + 7 days + 300); // the announced time is over, the jail's is not
        _reverts(address(arena), node, abi.encodeCall(arena.withdrawStake, ()), IStakeVault.Locked.selector, "locked");
        bytes memory post = abi.encodeCall(arena.postBatch, (bytes32(uint256(1)), 1, 0, block.timestamp + 90));
        _reverts(address(arena), node, post, IStakeVault.Jailed.selector, "jailed");
        vm.warp(START + 15 days);
        vm.prank(node);
        same(arena.withdrawStake(), STAKE - RESERVE - VALUE, "what the slash left");
    }

    function testNobodyWithdrawsMoreThanItsCredit() public {
        uint256 more = arena.creditOf(node) + 1;
        _reverts(address(arena), node, abi.encodeCall(arena.withdraw, (more)), IStakeVault.Insufficient.selector, "credit");
    }
}
