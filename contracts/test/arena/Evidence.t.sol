// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {GraphWorld} from "./GraphWorld.sol";
import {IAnswerRules, IOpenRules} from "../../src/interfaces/IRules.sol";
import {IDisputeArena} from "../../src/interfaces/IDisputeArena.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {Digests} from "../../src/libraries/Digests.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";
import {States} from "../../src/libraries/States.sol";
import {Trees} from "../../src/libraries/Trees.sol";

/// @notice Contradicting claims, demands for a batch, keys of a node: SPEC 07 §3.1, 08 §4.9 and §4.10.
contract EvidenceTest is GraphWorld {
    uint32 private constant CONTRADICTION = type(uint32).max - 3;
    uint32 private constant NOT_INCLUDED = type(uint32).max - 4;
    uint256 private constant KEY = 0xCE1;

    // ---- contradictions

    /// @notice The opening of the claim, with a second one that has another output root.
    function _contradiction(bytes32 otherRoot) private returns (bytes memory) {
        bytes memory first = _signedPayload(claim, CONTRADICTION);
        Terms memory second = claim;
        second.outputRoot = otherRoot;
        (bytes32 digest,) = _digests(second);
        bytes memory fields = abi.encodePacked(second.n, second.finish, second.stateRoot, otherRoot, uint128(VALUE));
        fields = abi.encodePacked(fields, uint64(START), uint64(START + 30), second.challengeUntil);
        return bytes.concat(first, fields, hex"00", _signed(digest, NODE_KEY), hex"0000000000");
    }

    function testTwoClaimsOnOneRequestRefute() public {
        _commit(claim, CONTRADICTION);
        bytes memory payload = _contradiction(keccak256("another output"));
        _as(opener, abi.encodeCall(arena.open, (payload, "")));
        _phase(G.REFUTED);
        uint256 cost = _get(G.COST);
        _resolve();
        (uint128 stake,,,,,, bool jailed) = arena.nodes(node);
        check(jailed, "jailed");
        same(stake, STAKE - RESERVE - VALUE, "slashed");
        same(arena.openedBy(opener), 0, "no game is open");
        _solvent(RESERVE + VALUE - cost);
    }

    function testOneClaimTwiceIsNoContradiction() public {
        _commit(claim, CONTRADICTION);
        bytes memory call = abi.encodeCall(arena.open, (_contradiction(claim.outputRoot), ""));
        _fails(opener, call, IOpenRules.NoContradiction.selector, "the same claim");
    }

    function testContradictionNeedsBothSignatures() public {
        _commit(claim, CONTRADICTION);
        bytes memory payload = _contradiction(keccak256("another output"));
        payload[payload.length - 5 - 40] ^= 0x01; // r of the second signature
        check(_try(opener, abi.encodeCall(arena.open, (payload, ""))).length != 0, "a changed signature");
    }

    // ---- replay

    function testSignatureForAnotherArenaOrChainIsNoEvidence() public {
        (bytes32 here,) = _digests(claim);
        vm.chainId(block.chainid + 1);
        (bytes32 there,) = _digests(claim);
        check(here != there, "the chain is in the digest");
        vm.chainId(block.chainid - 1);
        _commit(claim, 0);
        bytes memory payload = _openPayload(claim, 0, bytes.concat(hex"00", _signed(there, NODE_KEY)));
        bytes memory call = abi.encodeCall(arena.open, (payload, ""));
        _fails(opener, call, IOpenRules.NoEvidence.selector, "another chain");
        bytes32 elsewhere = Digests.typed(Digests.separator(address(0xA)), keccak256("claim"));
        payload = _openPayload(claim, 0, bytes.concat(hex"00", _signed(elsewhere, NODE_KEY)));
        call = abi.encodeCall(arena.open, (payload, ""));
        _fails(opener, call, IOpenRules.NoEvidence.selector, "another arena");
    }

    // ---- keys

    function _byKey() private returns (bytes memory call) {
        (bytes32 digest,) = _digests(claim);
        bytes memory evidence = abi.encodePacked(hex"02", vm.addr(KEY), _signed(digest, KEY));
        return abi.encodeCall(arena.open, (_openPayload(claim, 0, evidence), ""));
    }

    function testKeySignsFromItsNamingUntilAfterItsRetirement() public {
        address key = vm.addr(KEY);
        claim.challengeUntil = uint64(START + 30 days);
        _commit(claim, 0);
        _fails(opener, _byKey(), IDisputeArena.NotKey.selector, "never named");
        bytes memory retire = abi.encodeCall(registry.retireKey, (key));
        _reverts(address(registry), node, retire, INodeRegistry.KeyUnused.selector, "never named");
        vm.prank(node);
        registry.addKey(key);
        _as(opener, _byKey());
        _phase(G.REVEAL);
        vm.prank(node);
        registry.retireKey(key);
        bytes memory again = abi.encodeCall(registry.addKey, (key));
        _reverts(address(registry), node, again, INodeRegistry.KeyUsed.selector, "a retired key");
        vm.warp(block.timestamp + 20);
        _timeout();
        _resolve();
        vm.warp(block.timestamp + 7 days - 40); // within U
        _commit(claim, 0);
        _as(opener, _byKey());
        vm.warp(block.timestamp + 20);
        _timeout();
        _resolve(held);
        vm.warp(block.timestamp + 60); // beyond
        _commit(claim, 0);
        _fails(opener, _byKey(), IDisputeArena.NotKey.selector, "long retired");
    }

    // ---- demands

    /// @notice Posts the claim in a batch of three.
    function _post() private returns (bytes32 root, bytes memory path) {
        (bytes32 digest,) = _digests(claim);
        bytes32[] memory digests = new bytes32[](3);
        digests[1] = digest;
        (root, path) = Build.list(digests, 1);
        vm.prank(node);
        arena.postBatch(root, 3, VALUE, block.timestamp + 90);
    }

    function _demand() private {
        _commit(claim, NOT_INCLUDED);
        _as(opener, abi.encodeCall(arena.open, (_signedPayload(claim, NOT_INCLUDED), "")));
        _phase(G.INCLUSION);
    }

    function _include(bytes memory payload) private view returns (bytes memory) {
        return abi.encodeCall(arena.include, (game, state, payload));
    }

    function testDemandBeforeBatchByIsRefused() public {
        _commit(claim, NOT_INCLUDED);
        bytes memory call = abi.encodeCall(arena.open, (_signedPayload(claim, NOT_INCLUDED), ""));
        _fails(opener, call, IDisputeArena.TooEarly.selector, "batchBy");
    }

    function testDemandIsMetByABatchEvenIfReleased() public {
        (bytes32 root, bytes memory path) = _post();
        vm.warp(block.timestamp + 90 + 46);
        arena.releaseBatch(node, root);
        uint256 credit = arena.creditOf(opener);
        _demand();
        bytes memory wrong = abi.encodePacked(job, keccak256("no batch"), uint16(1), path);
        _fails(node, _include(wrong), IAnswerRules.NotPosted.selector, "never posted");
        wrong = abi.encodePacked(job, root, uint16(0), path);
        _fails(node, _include(wrong), States.NotOpened.selector, "another place");
        wrong = abi.encodePacked(job, root, uint16(3), path);
        _fails(node, _include(wrong), Trees.RangeOutside.selector, "beyond the count");
        uint256 before = arena.creditOf(node);
        _as(stranger, _include(abi.encodePacked(job, root, uint16(1), path)));
        _phase(G.LOST);
        uint256 escrow = _get(G.ESCROW);
        check(arena.creditOf(stranger) > 0, "whoever shows it is repaid");
        _resolve();
        same(arena.creditOf(node) - before, escrow / 4 / 2, "half of the quarter");
        uint256 back = arena.creditOf(opener);
        same(credit - back, arena.bondOf(0, 0) - (escrow - escrow / 4), "the rest went back");
        (bool voided, bool refuted,) = arena.verdicts(_case(claim, 0));
        check(!voided && !refuted, "nothing is wrong with the claim");
        _solvent(0);
    }

    function testDemandThatIsNotMetRefutes() public {
        vm.warp(START + 31);
        _demand();
        _post();
        vm.warp(_get(G.DEADLINE) + 1);
        _timeout();
        same(_get(G.FLAGS), G.VOID | G.DEMAND | G.GRAPH, "void at D1");
        vm.warp(_get(G.LAST) + 1);
        _timeout();
        _phase(G.REFUTED);
        _resolve();
        (uint128 stake,,,,,, bool jailed) = arena.nodes(node);
        check(jailed && stake == STAKE - RESERVE - VALUE, "slashed");
    }

    function testBatchIsNoEvidenceOfADemand() public {
        (bytes32 root, bytes memory path) = _post();
        vm.warp(START + 31);
        _commit(claim, NOT_INCLUDED);
        bytes memory payload = _openPayload(claim, NOT_INCLUDED, abi.encodePacked(hex"01", root, uint16(1), path));
        _fails(opener, abi.encodeCall(arena.open, (payload, "")), IOpenRules.BadStep.selector, "in a batch");
    }
}
