// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {World} from "./World.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";

/// @notice A graph model of one stage: x i16 [8] -> matmul [128x8] -> row -> relu i32 [128], an output of eight leaves.
abstract contract GraphWorld is World {
    using Build for Build.Tree;

    uint256 internal constant N = 128;
    uint256 internal constant LIE = 77; // index of the element that a liar changes

    bytes[4] internal descriptors;
    bytes[4] internal tensors; // what the claim commits to
    uint256[4] internal sizes = [2, 8, 4, 4];
    bytes internal weights;
    bytes internal scales;
    Terms internal claim;

    function setUp() public virtual override {
        super.setUp();
        for (uint256 n = 0; n < N; ++n) {
            scales = bytes.concat(scales, Build.le(3, 4), Build.le(1, 4));
            for (uint256 i = 0; i < 64; ++i) {
                weights.push(bytes1(uint8(i < 8 ? uint256(_weight(n, i)) : 0)));
            }
        }
        Tensor[4] memory t;
        t[0] = Tensor(0, 2, 64, [uint32(1), 8], [uint16(0), 0, 0, 0], [uint64(4), 0, 0], 0, 0);
        t[1] = Tensor(9, 4, 64, [uint32(N), 1], [uint16(0x100), 0x200, 0, 0], [uint64(8), 64, 0], 0, 0);
        t[1].a = Build.ofBytes(weights, 64).root();
        t[2] = Tensor(10, 3, 64, [uint32(1), uint32(N)], [uint16(0x101), 0x300, 0, 0], [uint64(1), 0, 0], 0, 0);
        t[2].b = Build.ofBytes(scales, 64).root();
        t[3] = Tensor(13, 3, 64, [uint32(1), uint32(N)], [uint16(0x102), 0, 0, 0], [uint64(N), 0, 0], 0, 0);
        for (uint256 i = 0; i < 4; ++i) {
            descriptors[i] = _descriptor(t[i]);
        }
        _run(false);
    }

    function _weight(uint256 n, uint256 i) internal pure returns (int256) {
        return int256((n * 7 + i * 3) % 17) - 8;
    }

    function _input(uint256 i) internal pure returns (int256) {
        return int256(i * 331 % 1000) - 500;
    }

    /// @notice Computes the claim; a liar adds one to output element LIE.
    function _run(bool lie) internal {
        bytes memory x;
        for (uint256 i = 0; i < 8; ++i) {
            x = bytes.concat(x, Build.le(_input(i), 2));
        }
        bytes memory sums;
        bytes memory rows;
        bytes memory outputs;
        for (uint256 n = 0; n < N; ++n) {
            int256 sum;
            for (uint256 i = 0; i < 8; ++i) {
                sum += _weight(n, i) * _input(i);
            }
            int256 scaled = (sum * 3 + 1) >> 1;
            sums = bytes.concat(sums, Build.le(sum, 8));
            rows = bytes.concat(rows, Build.le(scaled, 4));
            int256 output = scaled > 0 ? scaled : int256(0);
            if (lie && n == LIE) ++output;
            outputs = bytes.concat(outputs, Build.le(output, 4));
        }
        (tensors[0], tensors[1], tensors[2], tensors[3]) = (x, sums, rows, outputs);
        claim.header = _header(2, 1, 0, _graph().root());
        claim.promptRoot = _tree(0).root();
        claim.outputRoot = _tree(3).root();
        claim.stateRoot = Build.tree(_boundaries(), 1, 0).root();
        claim.challengeUntil = uint64(START + 1000);
    }

    function _graph() internal view returns (Build.Tree memory) {
        bytes32[] memory nodes = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            nodes[i] = Build.leaf(descriptors[i]);
        }
        return Build.tree(nodes, 7, 0);
    }

    function _tree(uint256 tensor) internal view returns (Build.Tree memory) {
        return Build.ofBytes(tensors[tensor], 64);
    }

    function _roots() internal view returns (bytes32[] memory roots) {
        roots = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            roots[i] = _tree(i).root();
        }
    }

    function _boundaries() internal view returns (bytes32[] memory b) {
        b = new bytes32[](2);
        (b[0], b[1]) = (claim.promptRoot, claim.outputRoot);
    }

    function _opened(uint256 tensor) internal view returns (bytes memory) {
        return bytes.concat(descriptors[tensor], _graph().sib(tensor, tensor + 1));
    }

    // ---- payloads

    function _revealPayload() internal view returns (bytes memory) {
        return bytes.concat(job, Build.pack(_boundaries()));
    }

    function _tensorsPayload() internal view returns (bytes memory) {
        bytes32[] memory b = _boundaries();
        return bytes.concat(_opened(0), Build.pack(_roots()), Build.path(b, 0), Build.path(b, 1));
    }

    function _descendPayload(uint8 tensor) internal view returns (bytes memory) {
        bytes32[] memory roots = _roots();
        return abi.encodePacked(tensor, type(uint64).max, roots[tensor], Build.path(roots, tensor), _opened(tensor));
    }

    /// @notice Leaves [a, b) of a source and their siblings; for a tensor of the stage after root and path.
    function _read(uint256 tensor, uint256 element) internal view returns (bytes memory leaf, bytes memory opening) {
        uint256 i = element * sizes[tensor] / 64;
        bytes32[] memory roots = _roots();
        leaf = Build.leafAt(tensors[tensor], 64, i);
        opening = abi.encodePacked(roots[tensor], Build.path(roots, tensor), _tree(tensor).sib(i, i + 1));
    }

    function _answerPayload(uint256 tensor, uint256 element) internal view returns (bytes memory) {
        bytes memory head = bytes.concat(job, _opened(tensor));
        (bytes memory leaf,) = _read(tensor, element);
        if (_get(G.FLAGS) & G.DESCENDED != 0) {
            head = bytes.concat(head, leaf);
        } else {
            bytes32[] memory roots = _roots();
            head = abi.encodePacked(head, roots[tensor], Build.path(roots, tensor), leaf);
            uint256 i = element * sizes[tensor] / 64;
            head = bytes.concat(head, _tree(tensor).sib(i, i + 1));
        }
        (bytes memory data, bytes memory openings) = _reads(tensor, element);
        return abi.encodePacked(head, uint32(data.length), data, openings);
    }

    function _reads(uint256 tensor, uint256 n) internal view returns (bytes memory data, bytes memory openings) {
        (data, openings) = _read(tensor - 1, tensor == 1 ? 0 : n);
        if (tensor == 1) {
            data = bytes.concat(data, Build.leafAt(weights, 64, n));
            openings = bytes.concat(openings, Build.ofBytes(weights, 64).sib(n, n + 1));
        } else if (tensor == 2) {
            uint256 i = n * 8 / 64;
            data = bytes.concat(data, Build.leafAt(scales, 64, i));
            openings = bytes.concat(openings, Build.ofBytes(scales, 64).sib(i, i + 1));
        }
    }

    // ---- play

    function _toPick() internal {
        _open(claim, 0);
        _phase(G.REVEAL);
        _move(node, arena.reveal.selector, _revealPayload());
        _phase(G.STAGE_PICK);
        _move(opener, arena.stage.selector, abi.encodePacked(uint16(0)));
        _phase(G.TENSORS_DUE);
        _move(node, arena.tensors.selector, _tensorsPayload());
        _phase(G.PICK);
    }

    function _pick(uint8 tensor, uint64 element) internal {
        _move(opener, arena.pick.selector, abi.encodePacked(tensor, element));
        _phase(G.ANSWER);
    }
}
