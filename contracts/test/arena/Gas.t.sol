// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {World} from "./World.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";

/// @notice Gas of whole transactions under Osaka for a model of the shape of Llama-3.2-1B: 16 layers, 8,192 positions,
/// 90 tensors in a stage, down projection 2,048 x 8,192. Trees have true depths; most siblings are arbitrary. The
/// numbers are those of whole transactions, because forge isolates the calls of this contract.
/// forge-config: default.isolate = true
contract GasTest is World {
    event log_named_uint(string key, uint256 value);

    uint256 private constant LAYERS = 16;
    uint256 private constant D_POS = 13;
    uint256 private constant HEIGHT = 6; // dLayer 4, 1, dRow 1
    uint256 private constant T = 1501;
    uint256 private constant STATES = 1999; // m = n = 1000
    uint256 private constant TENSORS = 90;
    uint256 private constant TARGET = 80;
    uint256 private constant STAGE = 7;

    Terms private claim;
    bytes32[] private graph;
    bytes[3] private descriptors; // input, target, x
    bytes private statesTail;
    bytes private reveal;
    bytes32[] private boundaries;
    bytes32[] private roots;
    bytes32[] private rows;
    bytes private layerPath;
    bytes private x;
    bytes private weights;
    bytes private weightPath;
    bytes private targetPath;
    bytes private xPath;
    bytes32[] private children; // of the target, six levels below its root
    bytes32 private batchRoot;

    function setUp() public override {
        super.setUp();
        _roots();
        _position();
        _claim();
    }

    function _random(string memory name, uint256 i) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(name, i));
    }

    /// @notice Root and siblings of a node at `index` with arbitrary siblings above it.
    function _fake(bytes32 node_, uint256 index, uint256 depth) private pure returns (bytes32, bytes memory siblings) {
        for (uint256 h = 0; h < depth; ++h) {
            bytes32 sibling = _random("sibling", h);
            siblings = abi.encodePacked(siblings, sibling);
            node_ = index & 1 == 1 ? Build.node(sibling, node_) : Build.node(node_, sibling);
            index >>= 1;
        }
        return (node_, siblings);
    }

    /// @dev Tensors of the stage: x i16 [8192] at 79, target i64 [2048, 16] at 80, picked element 5, chunk 5 of row 0.
    function _roots() private {
        for (uint256 i = 0; i < 1024; ++i) {
            x.push(bytes1(uint8(i * 7 + i / 64)));
            if (i < 512) weights.push(bytes1(uint8(i * 13 + 5)));
        }
        (bytes32 wRoot, bytes memory wPath) = _fake(Build.leaf(weights), 5, 15);
        weightPath = wPath;
        for (uint256 i = 0; i < TENSORS; ++i) {
            roots.push(_random("root", i));
        }
        (roots[79], xPath) = _fake(Build.root(Build.ofBytes(x, 64)), 5, 4);
        (bytes32 child, bytes memory below) = _fake(Build.leaf(_target()), 0, 6);
        children.push(child);
        for (uint256 i = 1; i < 64; ++i) {
            children.push(_random("child", i));
        }
        Build.Tree memory top = Build.tree(children, 6, 0);
        roots[TARGET] = Build.root(top);
        targetPath = bytes.concat(below, Build.sib(top, 0, 1));
        uint16[4] memory none;
        descriptors[0] = _descriptor(
            Tensor(0, 3, 64, [uint32(1), 2048], none, [uint64(TENSORS), 30, 31], 0, 0)
        );
        uint16[4] memory sources = [uint16(0x100 | 79), 0x200, 0, 0];
        descriptors[1] = _descriptor(
            Tensor(9, 4, 64, [uint32(2048), 16], sources, [uint64(8192), 512, 0], wRoot, 0)
        );
        graph = new bytes32[](19 * 128);
        graph[128 * STAGE] = Build.leaf(descriptors[0]);
        for (uint256 i = 1; i < TENSORS; ++i) {
            graph[128 * STAGE + i] = _random("descriptor", i);
        }
        graph[128 * STAGE + TARGET] = Build.leaf(descriptors[1]);
    }

    function _dot() private view returns (int256 sum) {
        for (uint256 i = 0; i < 512; ++i) {
            int256 v = int256(int16(uint16(uint8(x[2 * i])) | (uint16(uint8(x[2 * i + 1])) << 8)));
            sum += v * int256(int8(uint8(weights[i])));
        }
    }

    function _target() private view returns (bytes memory leaf) {
        for (uint256 i = 0; i < 8; ++i) {
            leaf = bytes.concat(leaf, Build.le(i == 5 ? _dot() : int256(i * 1e9), 8));
        }
    }

    /// @dev The position leaf: rows of the stage at layer STAGE-1 of 16.
    function _position() private {
        for (uint256 l = 0; l < LAYERS; ++l) {
            rows.push(l == STAGE - 1 ? Build.node(roots[30], roots[31]) : _random("row", l));
        }
        Build.Tree memory t = Build.tree(rows, 4, 2);
        layerPath = Build.sib(t, STAGE - 1, STAGE);
        for (uint256 i = 0; i <= LAYERS; ++i) {
            boundaries.push(_random("boundary", i));
        }
        boundaries[STAGE - 1] = roots[0];
        boundaries[STAGE] = roots[TENSORS - 1];
        boundaries.push(Build.root(t));
    }

    function _claim() private {
        bytes memory ids = new bytes(64);
        (claim.promptRoot,) = _fake(Build.leaf(ids), 0, 6);
        (claim.outputRoot,) = _fake(Build.leaf(ids), (T + 1 - 1000) / 16, 6);
        (, bytes memory kvPath) = _fake(0, T, D_POS);
        (bytes32 kvBefore,) = _fake(Build.zero(HEIGHT), T, D_POS);
        (bytes32 kvAfter,) = _fake(boundaries[LAYERS + 1], T, D_POS);
        bytes32 older = _random("older", 0);
        bytes32 before = _state(T, kvBefore, older);
        bytes32 afterwards = _state(T + 1, kvAfter, before);
        (claim.stateRoot, statesTail) = _fake(Build.node(before, afterwards), (T - 1) / 2, 10);
        (, bytes memory outputPath) = _fake(0, (T + 1 - 1000) / 16, 6);
        reveal = abi.encodePacked(uint32(0), uint8(0), kvBefore, older, uint32(0), uint8(0), kvAfter);
        reveal = abi.encodePacked(reveal, statesTail, boundaries, kvPath, ids, outputPath);
        claim.header = _header(1, uint16(LAYERS), (uint24(D_POS) << 16) | (4 << 8) | 1, Build.root(Build.tree(graph, 12, 0)));
        (claim.m, claim.n, claim.maxNew, claim.finish) = (1000, 1000, 1000, 3);
        claim.challengeUntil = uint64(START + 1000);
    }

    function _state(uint256 index, bytes32 kv, bytes32 previous) private pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(2), uint32(index), uint32(0), uint8(0), kv, bytes32(0), previous));
    }

    function _opened(uint256 which, uint256 tensor) private view returns (bytes memory) {
        uint256 i = 128 * STAGE + tensor;
        return bytes.concat(descriptors[which], Build.sib(Build.tree(graph, 12, 0), i, i + 1));
    }

    function _tensorsPayload() private view returns (bytes memory p) {
        p = bytes.concat(_opened(0, 0), abi.encodePacked(roots));
        p = bytes.concat(p, Build.path(boundaries, STAGE - 1), Build.path(boundaries, STAGE));
        return abi.encodePacked(p, boundaries[LAYERS + 1], Build.path(boundaries, LAYERS + 1), layerPath);
    }

    function _answerPayload() private view returns (bytes memory p) {
        p = abi.encodePacked(job, _opened(1, TARGET), roots[TARGET], Build.path(roots, TARGET));
        p = bytes.concat(p, _target(), targetPath);
        p = abi.encodePacked(p, uint32(1536), x, weights, roots[79], Build.path(roots, 79), xPath);
        return bytes.concat(p, weightPath);
    }

    function _check(string memory name, uint256 ceiling) private {
        emit log_named_uint(name, gasOfMove);
        check(gasOfMove <= ceiling, name);
    }

    /// @dev The evidence is the path in a batch of 8,192 claims, the dearer of the two.
    function _openByBatch() private returns (uint256 committed) {
        (bytes32 digest,) = _digests(claim);
        bytes32 h = keccak256(abi.encodePacked(uint8(0), digest));
        bytes memory path;
        for (uint256 i = 0; i < 13; ++i) {
            path = abi.encodePacked(path, _random("sibling", i));
            h = keccak256(abi.encodePacked(uint8(1), h, _random("sibling", i)));
        }
        bytes32 burnt = keccak256("not the first burn of the deployment");
        vm.prank(opener);
        arena.commit(burnt);
        vm.warp(START + 46);
        arena.expire(burnt);
        vm.warp(START);
        token.mint(node, 1_000_000e18);
        vm.prank(node);
        arena.deposit(1_000_000e18);
        vm.prank(node);
        arena.postBatch(keccak256("another batch"), 1, 0, START + 90);
        vm.prank(node);
        arena.postBatch(h, 8192, VALUE, START + 90);
        gasOfMove = logs.lastCallGas().gasTotalUsed;
        _check("post", 60_000);
        game = _key(claim, uint32(T));
        _as(opener, abi.encodeCall(arena.commit, (game)));
        committed = gasOfMove;
        emit log_named_uint("commit", committed);
        vm.roll(block.number + 1);
        bytes memory payload =
            _openPayload(claim, uint32(T), abi.encodePacked(hex"01", h, uint16(0), path));
        _as(opener, abi.encodeCall(arena.open, (payload, "")));
    }

    function testGasOfAGame() public {
        uint256 committed = _openByBatch();
        emit log_named_uint("open", gasOfMove);
        gasOfMove += committed;
        _check("commit and open", 150_000);
        _move(node, arena.reveal.selector, bytes.concat(job, reveal));
        _check("reveal", 136_000);
        _move(opener, arena.stage.selector, abi.encodePacked(uint16(STAGE)));
        _check("stage", 50_000);
        _move(node, arena.tensors.selector, _tensorsPayload());
        _check("tensors", 204_000);
        _move(opener, arena.pick.selector, abi.encodePacked(uint8(TARGET), uint64(5)));
        _check("pick", 52_000);
        _as(stranger, abi.encodeCall(arena.answer, (game, state, _answerPayload())));
        _check("answer", 200_000);
        _phase(G.LOST);
        _resolve();
        _check("resolve", 70_000);
    }

    function testGasOfADescent() public {
        _openByBatch();
        _move(node, arena.reveal.selector, bytes.concat(job, reveal));
        _move(opener, arena.stage.selector, abi.encodePacked(uint16(STAGE)));
        _move(node, arena.tensors.selector, _tensorsPayload());
        bytes memory path = Build.path(roots, TARGET);
        bytes memory descend =
            abi.encodePacked(uint8(TARGET), type(uint64).max, roots[TARGET], path, _opened(1, TARGET));
        _move(opener, arena.pick.selector, descend);
        _check("pick to descend", 90_000);
        _move(node, arena.children.selector, abi.encodePacked(children));
        _check("children", 140_000);
        bytes memory siblings = Build.sib(Build.tree(children, 6, 0), 0, 1);
        _move(opener, arena.child.selector, abi.encodePacked(uint8(0), children[0], siblings));
        _check("child", 65_000);
        same(_get(G.LEVEL), 6, "level");
    }

    function testGasOfTheRowsBranch() public {
        _openByBatch();
        _move(node, arena.reveal.selector, bytes.concat(job, reveal));
        _move(opener, arena.stage.selector, hex"ffff");
        _move(node, arena.rows.selector, abi.encodePacked(rows, Build.path(boundaries, LAYERS + 1)));
        _check("rows", 93_000);
        _move(opener, arena.layer.selector, abi.encodePacked(uint16(STAGE - 1)));
        _check("layer", 50_000);
    }
}
