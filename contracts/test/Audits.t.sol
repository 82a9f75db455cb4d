// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./arena/Build.sol";
import {TokenWorld} from "./arena/TokenWorld.sol";
import {Audits} from "../src/Audits.sol";
import {IAudits} from "../src/interfaces/IAudits.sol";
import {IBeacon} from "../src/interfaces/IBeacon.sol";
import {IDisputeArena} from "../src/interfaces/IDisputeArena.sol";
import {INodeRegistry} from "../src/interfaces/INodeRegistry.sol";
import {Digests} from "../src/libraries/Digests.sol";
import {GameState as G} from "../src/libraries/GameState.sol";

/// @notice A beacon whose rounds a test chooses; the real one is tested in Beacon.t.sol.
contract ChosenBeacon is IBeacon {
    uint256 private immutable GENESIS;
    mapping(uint256 round => bytes32) private _seeds;
    mapping(uint256 round => uint256) private _times;

    constructor(uint256 genesis) {
        GENESIS = genesis;
    }

    function choose(uint256 round, bytes32 seed) external {
        (_seeds[round], _times[round]) = (seed, block.timestamp);
    }

    function post(uint256 round, bytes calldata) external pure returns (bytes32) {
        revert BadRound(round);
    }

    function seedOf(uint256 round) external view returns (bytes32, uint256) {
        return (_seeds[round], _times[round]);
    }

    function roundAt(uint256 time) external view returns (uint256) {
        return time <= GENESIS ? 1 : (time - GENESIS + 2) / 3 + 1;
    }

    function timeOf(uint256 round) external view returns (uint256) {
        return GENESIS + (round - 1) * 3;
    }
}

/// @notice Draws, receipts, pay and losses of audits on the toy token model. SPEC 11.
contract AuditsTest is TokenWorld {
    using Build for Build.Tree;

    uint256 private constant FEE = 5e18;
    uint256 private constant REWARD = 50e18;
    uint256 private constant DEPOSIT = 1000e18;
    uint256 private constant FORFEIT = 50e18;
    uint256 private constant FEES = 1000e18;
    uint256[2] private KEYS = [uint256(0xA11), 0xB22];
    bytes32 private constant NONCE = keccak256("nonce");

    Audits private audits;
    ChosenBeacon private beacon;
    address[2] private auditors; // by place
    uint256[2] private keys; // by place
    bytes32 private root; // of the batch
    uint256 private posted;

    function setUp() public override {
        super.setUp();
        beacon = new ChosenBeacon(START - 100_000);
        audits = Audits(deploy("Audits", abi.encode(address(arena), address(beacon), _terms())));
        for (uint256 i = 0; i < 2; ++i) {
            address a = vm.addr(KEYS[i]);
            token.mint(a, 2 * DEPOSIT);
            vm.startPrank(a);
            token.approve(address(audits), type(uint256).max);
            audits.join(i);
            vm.stopPrank();
        }
        vm.startPrank(node);
        token.approve(address(audits), type(uint256).max);
        audits.payFees(node, FEES);
        vm.stopPrank();
        vm.warp(START + 10);
    }

    function _terms() private pure returns (IAudits.Params memory p) {
        (p.delay, p.commitTime, p.revealTime, p.gameTime, p.unbonding) = (3, 30, 30, 41 * 16, 4000);
        (p.every, p.fee, p.reward, p.deposit, p.forfeit) =
            (64, uint128(FEE), uint128(REWARD), uint128(DEPOSIT), uint128(FORFEIT));
    }

    /// @dev Posts a batch of the claim alone, enters it and chooses the round that draws.
    function _begin(Lie lie_) private {
        _run(lie_);
        (bytes32 digest,) = _digests(claim);
        root = keccak256(abi.encodePacked(uint8(0), digest));
        posted = block.timestamp;
        vm.prank(node);
        arena.postBatch(root, 1, VALUE, posted + 90);
        audits.enter(node, root);
        (uint256 round,,,) = audits.timesOf(node, root);
        vm.warp(beacon.timeOf(round));
        beacon.choose(round, keccak256("first"));
        for (uint256 place = 0; place < 2; ++place) {
            (uint256 index, uint256 seat, address who) = audits.drawOf(node, root, 0, place);
            same(index, 0, "index");
            (auditors[place], keys[place]) = (who, KEYS[seat]);
        }
        check(auditors[0] != auditors[1] && auditors[0] != address(0), "two seats");
    }

    function _audit(uint256 place) private view returns (bytes32) {
        bytes32 key = keccak256(abi.encodePacked(node, root));
        return keccak256(abi.encodePacked(key, uint16(0), uint8(place)));
    }

    function _piece(uint256 i) private view returns (bytes memory) {
        return _leaf(1 + (i / 2) % 2, 1 + i % 2, i / 4);
    }

    /// @dev The tree of an auditor over all rows, each salted.
    function _salted(uint256 place) private view returns (Build.Tree memory) {
        return _saltedFor(auditors[place], _audit(place));
    }

    function _saltedFor(address who, bytes32 audit) private view returns (Build.Tree memory) {
        bytes32[] memory nodes = new bytes32[](STATES * 4);
        for (uint256 i = 0; i < nodes.length; ++i) {
            nodes[i] = sha256(abi.encodePacked(uint8(4), who, audit, _piece(i)));
        }
        return Build.tree(nodes, D_POS + 2, 0);
    }

    function _rows() private view returns (Build.Tree memory) {
        bytes32[] memory nodes = new bytes32[](STATES * 4);
        for (uint256 i = 0; i < nodes.length; ++i) {
            nodes[i] = Build.leaf(_piece(i));
        }
        return Build.tree(nodes, D_POS + 2, 0);
    }

    function _hash(uint256 place, uint8 verdict, bytes32 salted) private view returns (bytes32) {
        return keccak256(abi.encodePacked(auditors[place], _audit(place), verdict, salted, NONCE));
    }

    function _commit(uint256 place, bytes32 hash) private {
        vm.prank(auditors[place]);
        audits.commit(node, root, 0, place, hash);
    }

    function _second() private {
        (,, uint256 opening,) = audits.timesOf(node, root);
        vm.warp(beacon.timeOf(opening));
        beacon.choose(opening, keccak256("second"));
    }

    function _payload() private view returns (bytes memory) {
        return _openPayload(claim, 0, abi.encodePacked(uint8(1), root, uint16(0)));
    }

    function _attestation(uint256 place) private view returns (bytes32 digest, bytes32 id) {
        (,,, uint256 revealBy) = audits.timesOf(node, root);
        bytes32 domain = arena.domainSeparator();
        Digests.Request memory r;
        (r.model, r.promptRoot, r.promptCount, r.maxNew) = (sha256(claim.header), claim.promptRoot, claim.m, claim.maxNew);
        (r.user, r.price) = (user, PRICE);
        r.extras = Digests.extras(uint256(claim.settings) << 128, 0);
        Digests.Claim memory k;
        (k.node, k.requestDigest, k.count, k.finish) = (auditors[place], Digests.request(domain, r), claim.n, claim.finish);
        (k.stateRoot, k.outputRoot, k.issued) = (claim.stateRoot, claim.outputRoot, posted);
        (k.batchBy, k.challengeUntil) = (type(uint64).max, revealBy + 90);
        return Digests.claim(domain, k);
    }

    function _drawnLeaf(uint256 place) private view returns (uint256) {
        uint256 d = uint256(keccak256(abi.encodePacked(keccak256("second"), _audit(place))));
        return (((d >> 192) % STATES) * 2 + uint64(d >> 128) % 2) * 2 + (uint64(d >> 64) & 1);
    }

    function _proof(uint256 place, Build.Tree memory salted) private returns (bytes memory p) {
        (bytes32 digest,) = _attestation(place);
        uint256 last = STATES - 1;
        p = abi.encodePacked(_signed(digest, keys[place]), ys[last], fs[last], kvs[last], bytes32(0), hashes[last - 1]);
        p = bytes.concat(p, _states().sib(last, last + 1));
        uint256 leaf = _drawnLeaf(place);
        p = abi.encodePacked(p, uint8(1), _piece(leaf));
        return bytes.concat(p, _rows().sib(leaf, leaf + 1), salted.sib(leaf, leaf + 1));
    }

    function _revealCall(uint256 place, uint8 verdict, bytes32 salted, bytes memory open, bytes memory proof)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(audits.reveal, (node, root, 0, place, verdict, salted, NONCE, open, proof));
    }

    function _sayTrue(uint256 place) private {
        Build.Tree memory salted = _salted(place);
        bytes memory call = _revealCall(place, 1, salted.root(), _payload(), _proof(place, salted));
        vm.prank(auditors[place]);
        (bool ok, bytes memory failure) = address(audits).call(call);
        check(ok, string(abi.encodePacked("reveal: ", failure)));
    }

    function _attestedCase(uint256 place) private view returns (bytes32) {
        (, bytes32 id) = _attestation(place);
        return keccak256(abi.encodePacked(id, bytes32(0)));
    }

    function _close(uint256 place, bytes32 caseId) private {
        audits.close(node, root, 0, place, caseId, "");
    }

    function _notYet(uint256 place, bytes32 caseId) private {
        bytes memory call = abi.encodeCall(audits.close, (node, root, 0, place, caseId, ""));
        _reverts(address(audits), stranger, call, IAudits.OutOfTime.selector, "not yet");
    }

    function _solventAudits() private view {
        uint256 sum = audits.fees(node) + audits.burned();
        for (uint256 i = 0; i < 2; ++i) {
            (,,,, uint128 deposit) = audits.seats(i);
            sum += deposit + audits.credits(auditors[i]);
            uint256 status = audits.places(_audit(i)) & 255;
            if (status < 4 || status == 16) sum += FEE + REWARD;
        }
        sum += audits.credits(stranger);
        same(token.balanceOf(address(audits)), sum, "solvency");
    }

    // ---- an honest day

    function testHonestDayPaysBothAuditors() public {
        _begin(Lie.NONE);
        for (uint256 i = 0; i < 2; ++i) {
            _commit(i, _hash(i, 1, _salted(i).root()));
        }
        _second();
        _sayTrue(0);
        _sayTrue(1);
        (,,, uint256 revealBy) = audits.timesOf(node, root);
        vm.warp(revealBy + 135);
        _notYet(0, _attestedCase(0));
        vm.warp(revealBy + 136);
        for (uint256 i = 0; i < 2; ++i) {
            _close(i, _attestedCase(i));
            same(audits.credits(auditors[i]), FEE, "fee");
        }
        same(audits.fees(node), FEES - 2 * FEE, "the node pays two fees");
        _solventAudits();
        vm.prank(auditors[0]);
        audits.withdraw(FEE);
        same(token.balanceOf(auditors[0]), DEPOSIT + FEE, "paid out");
    }

    // ---- who does not compute

    function testBlindApprovalHasNothingToOpen() public {
        _begin(Lie.NONE);
        _commit(0, _hash(0, 1, keccak256("no tree")));
        _second();
        bytes memory proof = _proof(0, _salted(0));
        _refused(0, _revealCall(0, 1, keccak256("no tree"), _payload(), proof), IAudits.WrongRoot.selector, "no tree");
        (,,, uint256 revealBy) = audits.timesOf(node, root);
        vm.warp(revealBy + 1);
        _close(0, 0);
        same(audits.burned(), FORFEIT, "forfeit");
        same(audits.credits(auditors[0]), 0, "no fee");
        _solventAudits();
    }

    function testACopiedCommitOpensNothing() public {
        _begin(Lie.NONE);
        Build.Tree memory honest = _salted(0);
        bytes32 hash = _hash(0, 1, honest.root());
        _commit(0, hash);
        _commit(1, hash); // the same bytes, sent by the copier
        _second();
        _sayTrue(0);
        bytes memory proof = _proof(1, honest);
        _refused(1, _revealCall(1, 1, honest.root(), _payload(), proof), IAudits.WrongReveal.selector, "the copied commit");
    }

    function testATreeOfSomebodyElseOpensNothing() public {
        _begin(Lie.NONE);
        Build.Tree memory honest = _saltedFor(auditors[0], _audit(0));
        _commit(1, _hash(1, 1, honest.root()));
        _second();
        bytes memory proof = _proof(1, honest);
        _refused(1, _revealCall(1, 1, honest.root(), _payload(), proof), IAudits.WrongRoot.selector, "another's tree");
        (,,, uint256 revealBy) = audits.timesOf(node, root);
        vm.warp(revealBy + 1);
        _close(1, 0);
        same(audits.burned(), FORFEIT, "forfeit");
        _solventAudits();
    }

    function testWhoApprovesALieLosesTheDeposit() public {
        _begin(Lie.ROW);
        _commit(0, _hash(0, 1, _salted(0).root())); // with the rows as the liar serves them
        _commit(1, _hash(1, 2, 0));
        _second();
        _sayTrue(0);
        vm.prank(auditors[1]);
        audits.reveal(node, root, 0, 1, 2, 0, NONCE, _payload(), "");
        bytes memory heldBytes = bytes.concat(bytes20(stranger), new bytes(80));
        _verdict(_attestedCase(0), true, keccak256(heldBytes) & ~bytes32(uint256(3)));
        audits.close(node, root, 0, 0, _attestedCase(0), heldBytes);
        same(audits.credits(stranger), DEPOSIT / 2, "bounty of the winner in the arena");
        same(audits.burned(), DEPOSIT / 2, "half is burned");
        (,, , uint32 to, uint128 deposit) = audits.seats(auditors[0] == vm.addr(KEYS[0]) ? 0 : 1);
        check(to != 0 && deposit == 0, "the seat is gone");
        _verdict(_case(claim, root), true, 0);
        _close(1, _case(claim, root));
        same(audits.credits(auditors[1]), FEE + REWARD, "the find");
        _solventAudits();
    }

    function testALateRefutationStillCostsTheDeposit() public {
        _begin(Lie.ROW);
        _commit(0, _hash(0, 1, _salted(0).root()));
        _second();
        _sayTrue(0);
        (,,, uint256 revealBy) = audits.timesOf(node, root);
        vm.warp(revealBy + 136);
        _close(0, _attestedCase(0));
        _notYet(0, _attestedCase(0)); // paid, and not refuted
        _verdict(_attestedCase(0), true, 0);
        _close(0, _attestedCase(0));
        same(audits.burned(), DEPOSIT, "all of it: nobody is named as winner");
        _solventAudits();
    }

    function testFalseWithoutRefutationEarnsNothing() public {
        _begin(Lie.NONE);
        _commit(0, _hash(0, 2, 0));
        _second();
        vm.prank(auditors[0]);
        audits.reveal(node, root, 0, 0, 2, 0, NONCE, _payload(), "");
        _notYet(0, _case(claim, root));
        vm.warp(posted + 90 + 45 + 41 * 16 + 1);
        _close(0, _case(claim, root));
        same(audits.credits(auditors[0]), 0, "no fee");
        same(audits.fees(node), FEES - FEE - REWARD, "the other place is still locked");
        _solventAudits();
    }

    function testWhoCouldNotCheckLosesNothing() public {
        _begin(Lie.NONE);
        _commit(0, _hash(0, 3, 0));
        _second();
        vm.prank(auditors[0]);
        audits.reveal(node, root, 0, 0, 3, 0, NONCE, "", "");
        _close(0, 0);
        same(audits.credits(auditors[0]) + audits.burned(), 0, "nothing moves");
        _solventAudits();
    }

    function testALateBeaconExcuses() public {
        _begin(Lie.NONE);
        (,, uint256 opening, uint256 revealBy) = audits.timesOf(node, root);
        vm.warp(beacon.timeOf(opening) + 16);
        beacon.choose(opening, keccak256("second"));
        vm.warp(revealBy + 1);
        _close(0, 0);
        same(audits.burned(), 0, "no forfeit");
    }

    // ---- steps out of order

    function testStepsHaveTimes() public {
        _begin(Lie.NONE);
        (, uint256 commitBy,, uint256 revealBy) = audits.timesOf(node, root);
        bytes32 hash = _hash(0, 3, 0);
        bytes memory call = abi.encodeCall(audits.commit, (node, root, 0, 0, hash));
        _reverts(address(audits), auditors[1], call, IAudits.NotDrawn.selector, "another seat");
        vm.warp(commitBy + 1);
        _refused(0, call, IAudits.OutOfTime.selector, "late commit");
        vm.warp(commitBy);
        _commit(0, hash);
        _refused(0, call, IAudits.BadStatus.selector, "second commit");
        bytes memory abstain = _revealCall(0, 3, 0, "", "");
        _refused(0, abstain, IAudits.OutOfTime.selector, "before the second round");
        _second();
        _refused(0, _revealCall(0, 4, 0, "", ""), IAudits.WrongReveal.selector, "another verdict");
        vm.warp(revealBy + 1);
        _refused(0, abstain, IAudits.OutOfTime.selector, "late reveal");
        call = abi.encodeCall(audits.enter, (node, root));
        _reverts(address(audits), stranger, call, IAudits.BadBatch.selector, "entered twice");
    }

    function testAnotherClaimIsRefused() public {
        _begin(Lie.NONE);
        _commit(0, _hash(0, 2, 0));
        _second();
        bytes memory other = _openPayload(claim, 0, abi.encodePacked(uint8(1), root, uint16(1)));
        _refused(0, _revealCall(0, 2, 0, other, ""), IAudits.WrongClaim.selector, "another index");
        bytes memory signed = _signedPayload(claim, 0);
        _refused(0, _revealCall(0, 2, 0, signed, ""), IAudits.WrongClaim.selector, "a signature");
    }

    function testFeesPayForDraws() public {
        vm.prank(node);
        audits.requestFees(FEES);
        vm.prank(node);
        vm.expectRevert();
        audits.withdrawFees();
        vm.warp(block.timestamp + 4001);
        vm.prank(node);
        audits.withdrawFees();
        same(audits.credits(node), FEES, "fees back");
        vm.prank(node);
        arena.postBatch(keccak256("unpaid"), 1, 0, block.timestamp + 90);
        bytes memory call = abi.encodeCall(audits.enter, (node, keccak256("unpaid")));
        _reverts(address(audits), stranger, call, IAudits.Unfunded.selector, "no fees");
    }

    function testSeatsAreFreedAndTakenAgain() public {
        address a = vm.addr(KEYS[0]);
        vm.startPrank(a);
        audits.quit(0);
        vm.expectRevert();
        audits.reclaim(0);
        vm.warp(block.timestamp + 4001);
        audits.reclaim(0);
        same(audits.credits(a), DEPOSIT, "deposit back");
        audits.join(0);
        vm.stopPrank();
        bytes memory call = abi.encodeCall(audits.join, (0));
        _reverts(address(audits), stranger, call, IAudits.BadSeat.selector, "a seat that is held");
        call = abi.encodeCall(audits.join, (7));
        _reverts(address(audits), stranger, call, IAudits.BadSeat.selector, "a seat beyond the next");
    }

    // ---- plants

    function testAPlantIsFoundAndSlashesNobody() public {
        _run(Lie.ROW);
        (, bytes32 id) = _digests(claim);
        bytes32 salt = keccak256("salt");
        bytes32[] memory veils = new bytes32[](1);
        veils[0] = keccak256(abi.encodePacked(node, id, salt));
        vm.prank(node);
        registry.plant(veils);
        vm.warp(block.timestamp + 91);
        _begin(Lie.ROW);
        _commit(0, _hash(0, 2, 0));
        _second();
        vm.prank(auditors[0]);
        audits.reveal(node, root, 0, 0, 2, 0, NONCE, _payload(), "");
        vm.prank(node);
        bytes32 caseId = registry.showPlant(address(arena), root, id, salt);
        same(caseId, _case(claim, root), "case");
        _close(0, caseId);
        same(audits.credits(auditors[0]), FEE + REWARD, "the finder's reward");
        (bool voided, bool refuted,) = arena.verdicts(caseId);
        check(refuted && !voided, "it counts as refuted");
        _solventAudits();
        _refuteInBatch();
        (uint128 stake,,,,,, bool jailed) = arena.nodes(node);
        check(!jailed, "nobody is jailed");
        check(stake + 40e18 > STAKE, "the opener's gas and nothing else");
    }

    /// @dev A stranger to audits refutes the claim by its place in the batch: the node stays silent.
    function _refuteInBatch() private {
        _commit(claim, uint32(LIE_T));
        bytes memory open = _openPayload(claim, uint32(LIE_T), abi.encodePacked(uint8(1), root, uint16(0)));
        _as(opener, abi.encodeCall(arena.open, (open, "")));
        vm.warp(block.timestamp + 10_000);
        _timeout();
        _phase(G.REFUTED);
        _resolve();
    }

    function testALieCannotBecomeAPlant() public {
        _begin(Lie.ROW);
        (, bytes32 id) = _digests(claim);
        bytes32 salt = keccak256("salt");
        bytes32[] memory veils = new bytes32[](1);
        veils[0] = keccak256(abi.encodePacked(node, id, salt));
        vm.prank(node);
        registry.plant(veils);
        bytes memory call = abi.encodeCall(registry.showPlant, (address(arena), root, id, salt));
        _reverts(address(registry), node, call, INodeRegistry.NotPlanted.selector, "veiled after the batch");
        _reverts(address(registry), stranger, call, INodeRegistry.NotPlanted.selector, "another node's");
        call = abi.encodeCall(arena.spare, (_case(claim, root)));
        _reverts(address(arena), node, call, IDisputeArena.NotParty.selector, "only the registry");
    }

    // ---- gas

    /// @dev Ceilings of what the steps execute, without the transactions themselves.
    function testGasOfAudits() public {
        _begin(Lie.NONE);
        bytes32 salted = _salted(0).root();
        bytes32 hash = _hash(0, 1, salted);
        vm.prank(auditors[0]);
        uint256 before = gasleft();
        audits.commit(node, root, 0, 0, hash);
        check(before - gasleft() < 60_000, "commit");
        _second();
        bytes memory open = _payload();
        bytes memory proof = _proof(0, _salted(0));
        vm.prank(auditors[0]);
        before = gasleft();
        audits.reveal(node, root, 0, 0, 1, salted, NONCE, open, proof);
        check(before - gasleft() < 120_000, "reveal");
    }

    function _verdict(bytes32 caseId, bool refuted, bytes32 holds) private {
        vm.mockCall(address(arena), abi.encodeCall(arena.verdicts, (caseId)), abi.encode(false, refuted, holds));
    }

    function _refused(uint256 place, bytes memory call, bytes4 selector, string memory what) private {
        _reverts(address(audits), auditors[place], call, selector, what);
    }
}
