// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {World} from "./World.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";

/// @notice A token model of two layers that repeats the last id of its prompt (ids 1, 2) forty times: embed i32 [8];
/// layers with K = quant(x), V = quant(x / 2), output relu(x); head: y = prompt id, f = stop rule.
abstract contract TokenWorld is World {
    using Build for Build.Tree;

    enum Lie {
        NONE,
        TOKEN, // y of step LIE_T is 3
        ROW, // one element of K of layer 1 at position LIE_T
        OUTPUT, // output id of step LIE_T is 3, the states are true
        PADDING, // junk behind the last output id
        FINISH // the claim says 1 (end id), the last state says 3 (length)
    }

    uint256 internal constant M = 2;
    uint256 internal constant COUNT = 40;
    uint256 internal constant STATES = 41;
    uint256 internal constant LIE_T = 17;
    uint256 internal constant D_POS = 6;

    bytes internal weights;
    bytes internal scales;
    bytes internal prompt;
    bytes internal outputs;
    mapping(uint256 leaf => bytes) internal descriptors;
    uint256[] internal descriptorIndex;
    uint32[STATES] internal ys;
    uint8[STATES] internal fs;
    bytes32[STATES] internal kvs;
    bytes32[STATES] internal hashes;
    bytes32[STATES] internal positions;
    Lie internal lie;
    Terms internal claim;
    bytes32 private _graphRoot;

    function setUp() public virtual override {
        super.setUp();
        for (uint256 i = 0; i < 4 * 64; ++i) {
            weights.push(i % 64 < 8 ? bytes1(uint8((i * 37 + i / 64) % 256)) : bytes1(0));
        }
        for (uint256 y = 0; y < 4; ++y) {
            scales = bytes.concat(scales, Build.le(1, 4), Build.le(0, 4));
        }
        prompt = bytes.concat(Build.le(1, 4), Build.le(2, 4));
        _describe();
        _run(Lie.NONE);
    }

    function _add(uint256 stage, uint256 tensor, Tensor memory t) private {
        descriptors[128 * stage + tensor] = _descriptor(t);
        descriptorIndex.push(128 * stage + tensor);
    }

    function _describe() private {
        uint32[2] memory one = [uint32(1), 1];
        uint32[2] memory eight = [uint32(1), 8];
        uint16[4] memory none;
        uint16[4] memory input = [uint16(0x100), 0, 0, 0];
        _add(0, 0, Tensor(0, 3, 64, one, none, [uint64(2), 0, 0], 0, 0));
        Tensor memory e = Tensor(1, 3, 64, eight, [uint16(0x200), 0x300, 0, 0], [uint64(4), 64, 64], 0, 0);
        (e.a, e.b) = (Build.ofBytes(weights, 64).root(), Build.ofBytes(scales, 64).root());
        _add(0, 1, e);
        for (uint256 l = 1; l < 3; ++l) {
            _add(l, 0, Tensor(0, 3, 64, eight, none, [uint64(4), 1, 2], 0, 0));
            _add(l, 1, Tensor(16, 2, 512, eight, input, [uint64(8), 0, 0], 0, 0));
            _add(l, 2, Tensor(16, 2, 512, eight, input, [uint64(8), 1, 0], 0, 0));
            _add(l, 3, Tensor(13, 3, 64, eight, input, [uint64(8), 0, 0], 0, 0));
        }
        uint16[4] memory ids = [uint16(0x500), 0, 0, 0];
        _add(3, 0, Tensor(0, 3, 64, eight, none, [uint64(3), 0, 0], 0, 0));
        _add(3, 1, Tensor(28, 3, 64, one, ids, [uint64(0), 0, 0], 0, 0));
        _add(3, 2, Tensor(27, 3, 64, one, [uint16(0x101), 0x600, 0x101, 0x101], [uint64(0), 0, 0], 0, 0));
        _add(4, 0, Tensor(0, 3, 64, eight, none, [uint64(2), 0, 0], 0, 0));
        _add(4, 1, Tensor(28, 3, 64, one, ids, [uint64(0), 0, 0], 0, 0));
        _graphRoot = _graph().root();
    }

    function _graph() internal view returns (Build.Tree memory) {
        bytes32[] memory nodes = new bytes32[](5 * 128);
        for (uint256 i = 0; i < descriptorIndex.length; ++i) {
            nodes[descriptorIndex[i]] = Build.leaf(descriptors[descriptorIndex[i]]);
        }
        return Build.tree(nodes, 10, 0);
    }

    // ---- the run

    function _weight(uint256 y, uint256 i) private view returns (int256) {
        return int256(int8(uint8(weights[64 * y + i])));
    }

    function _floor(int256 x) private pure returns (int256) {
        return x > 0 ? x : int256(0);
    }

    /// @notice Tensor of a stage as the claim has it: stage 0..2 by yPrev, the head by t.
    function _tensor(uint256 stage, uint256 tensor, uint256 t) internal view returns (bytes memory out) {
        uint256 yPrev = t == 0 ? 1 : ys[t - 1];
        if (stage == 0 && tensor == 0) return Build.le(int256(yPrev), 4);
        if (stage > 2 && tensor > 0) return Build.le(int256(tensor == 1 ? uint256(ys[t]) : uint256(fs[t])), 4);
        bool row = (stage == 1 || stage == 2) && (tensor == 1 || tensor == 2);
        for (uint256 i = 0; i < 8; ++i) {
            int256 x = _weight(yPrev, i);
            if (stage > 1 || (stage == 1 && tensor == 3)) x = _floor(x);
            if (row && tensor == 2) x = (x + 1) >> 1;
            if (row && lie == Lie.ROW && t == LIE_T && stage == 2 && tensor == 1 && i == 3) x += 1;
            out = bytes.concat(out, Build.le(x, row ? 2 : 4));
        }
    }

    function _leafBytes(uint256 stage, uint256 tensor) internal pure returns (uint256) {
        return (stage == 1 || stage == 2) && (tensor == 1 || tensor == 2) ? 512 : 64;
    }

    function _root(uint256 stage, uint256 tensor, uint256 t) internal view returns (bytes32) {
        return Build.leaf(Build.leafAt(_tensor(stage, tensor, t), _leafBytes(stage, tensor), 0));
    }

    function _row(uint256 layer, uint256 t) internal view returns (bytes32) {
        return Build.node(_root(layer + 1, 1, t), _root(layer + 1, 2, t));
    }

    function _kv(uint256 t) internal view returns (Build.Tree memory) {
        bytes32[] memory rows = new bytes32[](t + 1);
        for (uint256 i = 0; i <= t; ++i) {
            rows[i] = positions[i];
        }
        return Build.tree(rows, D_POS, 2);
    }

    function _first() internal pure returns (bytes32) {
        return _state(0, 1, 0, Build.zero(D_POS + 2), 0);
    }

    function _state(uint256 index, uint256 y, uint256 f, bytes32 kv, bytes32 previous) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(2), uint32(index), uint32(y), uint8(f), kv, bytes32(0), previous));
    }

    function _run(Lie lie_) internal {
        lie = lie_;
        delete outputs;
        bytes32 previous = _first();
        for (uint256 t = 0; t < STATES; ++t) {
            ys[t] = lie == Lie.TOKEN && t == LIE_T ? 3 : 2;
            fs[t] = t == STATES - 1 ? 3 : 0;
            positions[t] = Build.node(_row(0, t), _row(1, t));
            kvs[t] = _kv(t).root();
            hashes[t] = previous = _state(t + 1, ys[t], fs[t], kvs[t], previous);
            uint256 id = lie == Lie.OUTPUT && t == LIE_T ? 3 : ys[t];
            if (t + 1 >= M) outputs = bytes.concat(outputs, Build.le(int256(id), 4));
        }
        if (lie == Lie.PADDING) outputs = bytes.concat(outputs, hex"01");
        claim.header = _header(1, 2, (uint24(D_POS) << 16) | (1 << 8), _graphRoot);
        (claim.m, claim.n, claim.maxNew) = (uint32(M), uint32(COUNT), uint32(COUNT));
        claim.finish = lie == Lie.FINISH ? 1 : 3;
        claim.settings = (uint96(40) << 64) | (uint96(7) << 32) | 5; // topK, topP, minP, which no tensor here reads
        claim.promptRoot = Build.ofBytes(prompt, 64).root();
        claim.stateRoot = _states().root();
        claim.outputRoot = Build.ofBytes(outputs, 64).root();
        claim.challengeUntil = uint64(START + 10_000);
    }

    function _states() internal view returns (Build.Tree memory) {
        bytes32[] memory nodes = new bytes32[](STATES);
        for (uint256 t = 0; t < STATES; ++t) {
            nodes[t] = hashes[t];
        }
        return Build.tree(nodes, 6, 0);
    }

    // ---- payloads

    function _boundaries(uint256 t) internal view returns (bytes32[] memory b) {
        b = new bytes32[](4);
        (b[0], b[1], b[2], b[3]) = (_root(0, 1, t), _root(1, 3, t), _root(2, 3, t), positions[t]);
    }

    function _revealPayload(uint256 t) internal view returns (bytes memory p) {
        bytes32 older = t > 1 ? hashes[t - 2] : t == 1 ? _first() : bytes32(0);
        if (t == 0) p = abi.encodePacked(job, uint32(1), uint8(0), Build.zero(D_POS + 2), older);
        else p = abi.encodePacked(job, ys[t - 1], fs[t - 1], kvs[t - 1], older);
        p = abi.encodePacked(p, ys[t], fs[t], kvs[t]);
        p = bytes.concat(p, _states().sib(t == 0 ? 0 : t - 1, t + 1));
        if (t == 0) p = bytes.concat(p, Build.leafAt(prompt, 64, 0)); // a tree of one leaf
        p = bytes.concat(p, Build.pack(_boundaries(t)), _kv(t).sib(t, t + 1));
        if (t + 1 < M) return p;
        uint256 leaf = (t + 1 - M) / 16;
        return bytes.concat(p, Build.leafAt(outputs, 64, leaf), Build.ofBytes(outputs, 64).sib(leaf, leaf + 1));
    }

    function _roots(uint256 stage, uint256 t) internal view returns (bytes32[] memory roots) {
        roots = new bytes32[](uint8(descriptors[128 * stage][47])); // low byte of p0
        for (uint256 i = 0; i < roots.length; ++i) {
            roots[i] = _root(stage, i, t);
        }
    }

    function _opened(uint256 stage, uint256 tensor) internal view returns (bytes memory) {
        uint256 i = 128 * stage + tensor;
        return bytes.concat(descriptors[i], _graph().sib(i, i + 1));
    }

    function _tensorsPayload(uint256 stage, uint256 t) internal view returns (bytes memory p) {
        bytes32[] memory b = _boundaries(t);
        p = bytes.concat(_opened(stage, 0), Build.pack(_roots(stage, t)));
        if (stage != 0) p = bytes.concat(p, Build.path(b, stage > 2 ? 2 : stage - 1));
        if (stage > 2) return p;
        p = bytes.concat(p, Build.path(b, stage));
        if (stage != 0) p = abi.encodePacked(p, positions[t], Build.path(b, 3), _row(2 - stage, t));
    }

    function _rowsPayload(uint256 t) internal view returns (bytes memory) {
        return abi.encodePacked(_row(0, t), _row(1, t), Build.path(_boundaries(t), 3));
    }

    function _listed(uint256 stage, uint256 tensor, uint256 t) internal view returns (bytes memory) {
        bytes32[] memory roots = _roots(stage, t);
        return abi.encodePacked(roots[tensor], Build.path(roots, tensor));
    }

    function _leaf(uint256 stage, uint256 tensor, uint256 t) internal view returns (bytes memory) {
        return Build.leafAt(_tensor(stage, tensor, t), _leafBytes(stage, tensor), 0);
    }

    /// @notice Answer for any element of a tensor; every tensor here is one leaf.
    function _answerPayload(uint256 stage, uint256 tensor, uint256 t) internal view returns (bytes memory p) {
        p = bytes.concat(job, _opened(stage, tensor), _listed(stage, tensor, t), _leaf(stage, tensor, t));
        bytes memory data;
        bytes memory openings;
        if (stage == 0) {
            uint256 y = t == 0 ? 1 : ys[t - 1];
            data = bytes.concat(Build.leafAt(weights, 64, y), Build.leafAt(scales, 64, 0));
            openings = Build.ofBytes(weights, 64).sib(y, y + 1);
        } else if (stage > 2 && tensor == 1) {
            data = Build.leafAt(prompt, 64, 0);
        } else {
            uint256 from = stage > 2 ? 1 : 0;
            (data, openings) = (_leaf(stage, from, t), _listed(stage, from, t));
            // The finish code reads that tensor thrice: as token, and in place of the states of stop strings and grammar.
            if (stage > 2) {
                data = bytes.concat(data, data, data);
                openings = bytes.concat(openings, openings, openings);
            }
        }
        return abi.encodePacked(p, uint32(data.length), data, openings);
    }

    // ---- play

    function _toStage(uint256 t) internal {
        _open(claim, uint32(t));
        _move(node, arena.reveal.selector, _revealPayload(t));
        _phase(G.STAGE_PICK);
    }

    function _toPick(uint256 stage, uint256 t) internal {
        _move(opener, arena.stage.selector, abi.encodePacked(uint16(stage)));
        _move(node, arena.tensors.selector, _tensorsPayload(stage, t));
        _phase(G.PICK);
    }

    function _pick(uint8 tensor, uint64 element) internal {
        _move(opener, arena.pick.selector, abi.encodePacked(tensor, element));
        _phase(G.ANSWER);
    }
}
