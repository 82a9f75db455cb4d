// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChosenBeacon} from "./Audits.t.sol";
import {Build} from "./arena/Build.sol";
import {World} from "./arena/World.sol";
import {Audits} from "../src/Audits.sol";
import {IAudits} from "../src/interfaces/IAudits.sol";
import {Digests} from "../src/libraries/Digests.sol";
import {Packed} from "../src/libraries/Packed.sol";
import {Trees} from "../src/libraries/Trees.sol";

/// @notice Receipts of audits of claims about a graph model of three stages, of whose outputs the first has six leaves and
/// the second one. SPEC 11 §4.
contract AuditsOfGraphsTest is World {
    using Build for Build.Tree;

    uint256 private constant KEY = 0xA11;
    bytes32 private constant NONCE = keccak256("nonce");

    Audits private audits;
    ChosenBeacon private beacon;
    address private auditor;
    Terms private claim;
    bytes[4] private tensors; // input, and each stage's output
    bytes32 private root; // of the batch
    uint256 private posted;

    function setUp() public override {
        super.setUp();
        beacon = new ChosenBeacon(START - 100_000);
        IAudits.Params memory p;
        (p.delay, p.commitTime, p.revealTime, p.gameTime, p.unbonding) = (3, 30, 30, 41 * 16, 4000);
        (p.every, p.fee, p.reward, p.deposit, p.forfeit) = (64, 5e18, 50e18, 1000e18, 50e18);
        audits = Audits(deploy("Audits", abi.encode(address(arena), address(beacon), p)));
        auditor = vm.addr(KEY);
        token.mint(auditor, 1000e18);
        vm.startPrank(auditor);
        token.approve(address(audits), type(uint256).max);
        audits.join(0);
        vm.stopPrank();
        vm.startPrank(node);
        token.approve(address(audits), type(uint256).max);
        audits.payFees(node, 1000e18);
        vm.stopPrank();
        vm.warp(START + 10);
    }

    /// @dev Tensors of so many leaves; the last leaf of each is half full.
    function _compute(uint16 stages) private {
        uint256[4] memory leaves = [uint256(2), 6, 1, 3];
        bytes32[] memory b = new bytes32[](stages + 1);
        for (uint256 i = 0; i <= stages; ++i) {
            bytes memory data;
            for (uint256 k = 0; k < 2 * leaves[i] - 1; ++k) {
                data = abi.encodePacked(data, keccak256(abi.encodePacked(i, k)));
            }
            tensors[i] = data;
            b[i] = Build.ofBytes(data, 64).root();
        }
        claim.header = _header(2, stages, 0, keccak256("graph"));
        (claim.promptRoot, claim.outputRoot) = (b[0], b[stages]);
        claim.stateRoot = _boundaries(b).root();
        claim.challengeUntil = uint64(START + 1000);
    }

    function _boundaries(bytes32[] memory b) private pure returns (Build.Tree memory) {
        return Build.tree(b, Build.depth(b.length), 0);
    }

    function _begin(uint16 stages) private {
        _compute(stages);
        (bytes32 digest,) = _digests(claim);
        root = keccak256(abi.encodePacked(uint8(0), digest));
        posted = block.timestamp;
        vm.prank(node);
        arena.postBatch(root, 1, VALUE, posted + 90);
        audits.enter(node, root);
        (uint256 round,,,) = audits.timesOf(node, root);
        vm.warp(beacon.timeOf(round));
        beacon.choose(round, keccak256("first"));
        (,, address who) = audits.drawOf(node, root, 0, 0);
        check(who == auditor, "the only seat");
    }

    function _audit() private view returns (bytes32) {
        return keccak256(abi.encodePacked(keccak256(abi.encodePacked(node, root)), uint16(0), uint8(0)));
    }

    // ---- what an auditor computes

    function _saltedOutput(uint256 stage, address who) private view returns (Build.Tree memory) {
        bytes memory data = tensors[stage + 1];
        bytes32[] memory nodes = new bytes32[]((data.length + 63) / 64);
        for (uint256 i = 0; i < nodes.length; ++i) {
            nodes[i] = sha256(abi.encodePacked(uint8(4), who, _audit(), Build.leafAt(data, 64, i)));
        }
        return Build.tree(nodes, Build.depth(nodes.length), 0);
    }

    function _salted(address who) private view returns (Build.Tree memory) {
        bytes32[] memory roots = new bytes32[](2);
        (roots[0], roots[1]) = (_saltedOutput(0, who).root(), _saltedOutput(1, who).root());
        return Build.tree(roots, 1, 0);
    }

    struct Drawn {
        uint256 stage;
        uint256 levels;
        uint256 index;
        uint256 opened;
    }

    function _drawn(bytes32 seed) private view returns (Drawn memory d) {
        uint256 e = uint256(keccak256(abi.encodePacked(seed, _audit())));
        d.stage = (e >> 192) % 2;
        d.levels = d.stage == 0 ? 3 : 0;
        d.index = uint64(e) & ((1 << d.levels) - 1);
        d.opened = d.stage == 0 && d.index > 5 ? d.index - 4 : d.index;
    }

    function _proof(Drawn memory d) private returns (bytes memory p) {
        Build.Tree memory output = Build.ofBytes(tensors[d.stage + 1], 64);
        (bytes32 digest,) = _attestation();
        p = abi.encodePacked(_signed(digest, KEY), uint8(d.levels), uint8(d.opened == d.index ? 1 : 0));
        p = bytes.concat(p, Build.leafAt(tensors[d.stage + 1], 64, d.opened));
        if (d.opened != d.index) p = bytes.concat(p, output.sib(d.index, d.index + 1));
        p = bytes.concat(p, output.sib(d.opened, d.opened + 1));
        bytes32[] memory b = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            b[i] = Build.ofBytes(tensors[i], 64).root();
        }
        p = bytes.concat(p, _boundaries(b).sib(d.stage + 1, d.stage + 2));
        p = bytes.concat(p, _saltedOutput(d.stage, auditor).sib(d.opened, d.opened + 1));
        return bytes.concat(p, _salted(auditor).sib(d.stage, d.stage + 1));
    }

    function _attestation() private view returns (bytes32 digest, bytes32 id) {
        (,,, uint256 revealBy) = audits.timesOf(node, root);
        bytes32 domain = arena.domainSeparator();
        Digests.Request memory r;
        (r.model, r.promptRoot, r.user, r.price) = (sha256(claim.header), claim.promptRoot, user, PRICE);
        Digests.Claim memory k;
        (k.node, k.requestDigest, k.stateRoot) = (auditor, Digests.request(domain, r), claim.stateRoot);
        (k.outputRoot, k.issued, k.batchBy, k.challengeUntil) = (claim.outputRoot, posted, type(uint64).max, revealBy + 90);
        return Digests.claim(domain, k);
    }

    function _commit(bytes32 salted) private {
        vm.prank(auditor);
        audits.commit(node, root, 0, 0, keccak256(abi.encodePacked(auditor, _audit(), uint8(1), salted, NONCE)));
    }

    /// @dev The first seed of the second round that draws this leaf.
    function _second(uint256 stage, uint256 index) private returns (Drawn memory d) {
        (,, uint256 opening,) = audits.timesOf(node, root);
        vm.warp(beacon.timeOf(opening));
        for (uint256 i = 0;; ++i) {
            bytes32 seed = keccak256(abi.encodePacked("second", i));
            d = _drawn(seed);
            if (d.stage == stage && d.index == index) {
                beacon.choose(opening, seed);
                return d;
            }
        }
    }

    function _revealCall(bytes32 salted, bytes memory proof) private view returns (bytes memory) {
        bytes memory open = _openPayload(claim, 0, abi.encodePacked(uint8(1), root, uint16(0)));
        return abi.encodeCall(audits.reveal, (node, root, 0, 0, 1, salted, NONCE, open, proof));
    }

    function _refused(bytes32 salted, bytes memory proof, bytes4 selector, string memory what) private {
        _reverts(address(audits), auditor, _revealCall(salted, proof), selector, what);
    }

    function _reveals(bytes32 salted, bytes memory proof) private {
        vm.prank(auditor);
        (bool ok, bytes memory failure) = address(audits).call(_revealCall(salted, proof));
        check(ok, string(abi.encodePacked("reveal: ", failure)));
    }

    // ---- tests

    function testWhoComputedRevealsEveryLeaf() public {
        _begin(3);
        bytes32 salted = _salted(auditor).root();
        _commit(salted);
        uint256 snapshot = logs.snapshotState();
        for (uint256 i = 0; i < 9; ++i) { // eight places in the first tree, two of them empty, and the second's only leaf
            Drawn memory d = _second(i / 8, i % 8);
            _reveals(salted, _proof(d));
            logs.revertToState(snapshot);
            snapshot = logs.snapshotState();
        }
    }

    function testADrawnLeafCannotBeAvoided() public {
        _begin(3);
        bytes32 salted = _salted(auditor).root();
        _commit(salted);
        Drawn memory d = _second(0, 5); // it is there; who has computed leaf 1 alone says that it is not
        Build.Tree memory output = Build.ofBytes(tensors[1], 64);
        (bytes32 digest,) = _attestation();
        bytes memory p = abi.encodePacked(_signed(digest, KEY), uint8(3), uint8(0), Build.leafAt(tensors[1], 64, 1));
        p = bytes.concat(p, output.sib(d.index, d.index + 1), output.sib(1, 2));
        p = bytes.concat(p, new bytes(64 + 128));
        _refused(salted, p, IAudits.WrongRoot.selector, "a leaf that is there");
        p = _proof(d);
        p[65] = 0x02; // as if the tree were smaller
        _refused(salted, p, IAudits.WrongRoot.selector, "another depth");
        p[65] = 0x21;
        _refused(salted, p, Trees.RangeOutside.selector, "a depth of 33");
        p = _proof(d);
        p[66] = 0x02;
        _refused(salted, p, Trees.RangeOutside.selector, "neither there nor not");
        p[65] = 0x00;
        p[66] = 0x00;
        _refused(salted, p, Trees.RangeOutside.selector, "no leaf in a tree of one");
    }

    function testWhoDidNotComputeHasNothingToOpen() public {
        _begin(3);
        bytes32 served = _salted(node).root(); // a tree of somebody else
        _commit(served);
        Drawn memory d = _second(0, 2);
        _refused(served, _proof(d), IAudits.WrongRoot.selector, "another's tree");
    }

    function testAChangedProofReverts() public {
        _begin(3);
        bytes32 salted = _salted(auditor).root();
        _commit(salted);
        Drawn memory d = _second(0, 7); // no such leaf: both openings are in the proof
        bytes memory good = _proof(d);
        for (uint256 i = 66; i < good.length; i += 13) {
            bytes memory bad = bytes.concat(good);
            bad[i] ^= 0x01;
            vm.prank(auditor);
            (bool ok,) = address(audits).call(_revealCall(salted, bad));
            check(!ok, "a changed byte");
        }
        _refused(salted, bytes.concat(good, hex"00"), Packed.PayloadLength.selector, "a byte more");
        uint256 before = gasleft();
        _reveals(salted, good);
        check(before - gasleft() < 150_000, "gas");
    }

    function testOneStageHidesNothing() public {
        _begin(1);
        _commit(0);
        (,, uint256 opening,) = audits.timesOf(node, root);
        vm.warp(beacon.timeOf(opening));
        beacon.choose(opening, keccak256("second"));
        (bytes32 digest,) = _attestation();
        _refused(0, abi.encodePacked(_signed(digest, KEY), new bytes(200)), IAudits.NothingHidden.selector, "one stage");
    }
}
