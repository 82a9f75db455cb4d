// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GameState as G} from "./GameState.sol";
import {Job} from "./Job.sol";
import {Trees} from "./Trees.sol";

/// @title The ids of a claim in pieces of at most 2,048 bytes (SPEC 08 §4.12)
/// @notice Pieces are those of the prompt, then of the stop ids, then of the outputs: 32 leaves each, the last of a list fewer,
/// followed by their siblings. Those of a salted prompt have the secret of its salts and 128 ids, followed by the siblings of
/// the leaves that these make. Behind them stand those of the lists of the request (bias, stop strings, grammar). Those of a
/// graph model's claim are of its input, then of its output.
library Pieces {
    uint256 private constant LEAVES = 32;
    uint256 private constant SALTED = 128;

    /// @param a The first leaf.
    /// @param b The leaf behind the last one.
    /// @param levels Depth of the list's tree.
    /// @param salted Whether the list's leaves are salted.
    /// @param root The list's root.
    struct Piece {
        uint256 a;
        uint256 b;
        uint256 levels;
        bool salted;
        bytes32 root;
    }

    /// @notice How many pieces the ids of a claim are.
    /// @param salted Whether the prompt is; the other lists never are.
    function count(bool salted, uint256 prompt, uint256 stops, uint256 outputs) internal pure returns (uint256) {
        return _pieces(salted, prompt) + _pieces(false, stops) + _pieces(false, outputs);
    }

    /// @notice How many pieces a tensor of so many bytes is.
    function ofBytes(uint256 total) internal pure returns (uint256) {
        return (total + 64 * LEAVES - 1) / (64 * LEAVES);
    }

    /// @notice The piece with a number below the count, of a game about the job at a calldata position.
    function numbered(bytes memory s, uint256 job, uint256 index) internal pure returns (Piece memory p) {
        return G.flag(s, G.GRAPH) ? _ofGraph(s, job, index) : _ofIds(s, job, index);
    }

    /// @dev Pieces of a graph model's input, then of its output, whose bytes the opening has counted.
    function _ofGraph(bytes memory s, uint256 job, uint256 index) private pure returns (Piece memory p) {
        uint256 total = G.get(s, G.Y_PREV);
        p.root = Job.promptRoot(job);
        uint256 n = ofBytes(total);
        if (index >= n) (index, total, p.root) = (index - n, G.get(s, G.Y), Job.outputRoot(job));
        _range(p, index, (total + 63) / 64, LEAVES);
    }

    function _ofIds(bytes memory s, uint256 job, uint256 index) private pure returns (Piece memory p) {
        uint256 ids = Job.promptCount(job);
        (p.root, p.salted) = (Job.promptRoot(job), Job.salted(job));
        uint256 n = _pieces(p.salted, ids);
        if (index >= n) {
            index -= n;
            (ids, p.root, p.salted) = (Job.stopCount(job), Job.stopRoot(job), false);
            n = _pieces(false, ids);
            if (index >= n) {
                index -= n;
                (ids, p.root) = (Job.count(job), Job.outputRoot(job));
                n = _pieces(false, ids);
                if (index >= n) {
                    p.root = G.word(s, G.LIST_ROOT);
                    _range(p, index - n, (G.get(s, G.Y_PREV) + 63) / 64, LEAVES);
                    return p;
                }
            }
        }
        _range(p, index, _leaves(p.salted, ids), p.salted ? SALTED : LEAVES);
    }

    function _range(Piece memory p, uint256 index, uint256 leaves, uint256 most) private pure {
        p.levels = Trees.depthOf(leaves);
        p.a = most * index;
        p.b = p.a + most < leaves ? p.a + most : leaves;
    }

    /// @notice Bytes of a piece: its leaves, or secret and ids, and their siblings.
    function size(Piece memory p) internal pure returns (uint256 bytes_) {
        bytes_ = p.salted ? 32 + 4 * (p.b - p.a) : 64 * (p.b - p.a);
        (uint256 a, uint256 b) = (p.a, p.b);
        for (uint256 h = 0; h < p.levels; ++h) {
            bytes_ += 32 * ((a & 1) + (b & 1));
            (a, b) = (a >> 1, (b + 1) >> 1);
        }
    }

    /// @notice The root to which a piece at a calldata position leads, and the position behind it.
    function rootOf(Piece memory p, uint256 pos, uint256 end) internal view returns (bytes32 root, uint256 next) {
        if (!p.salted) return Trees.openRange(pos, 64, p.a, p.b, p.levels, pos + 64 * (p.b - p.a), end);
        bytes32[] memory leaves = _salted(p, pos);
        return Trees.openLeaves(leaves, p.a, p.levels, pos + 32 + 4 * leaves.length, end);
    }

    /// @dev Hashes of the leaves that the secret and the ids behind it make (SPEC 06 §3.8).
    function _salted(Piece memory p, uint256 pos) private view returns (bytes32[] memory leaves) {
        (uint256 i, uint256 b) = (p.a, p.b);
        leaves = new bytes32[](b - i);
        bool ok = true;
        assembly ("memory-safe") {
            let salt := mload(0x40) // 51 bytes: tag, secret, number of the id
            let leaf := add(salt, 64) // 65 bytes: zero, then the id in one half and its salt in the other
            let to := add(leaves, 32)
            mstore(salt, "elenchus/salt/1")
            mstore(add(salt, 15), calldataload(pos))
            mstore8(leaf, 0)
            for { pos := add(pos, 32) } lt(i, b) { i := add(i, 1) } {
                let half := shl(5, and(shr(3, i), 1))
                mstore(add(salt, 47), shl(224, i))
                ok := and(ok, staticcall(gas(), 2, salt, 51, add(add(leaf, 33), sub(0, half)), 32))
                mstore(add(add(leaf, 1), half), shr(shl(5, and(i, 7)), shl(224, shr(224, calldataload(pos)))))
                ok := and(and(ok, eq(returndatasize(), 32)), staticcall(gas(), 2, leaf, 65, to, 32))
                ok := and(ok, eq(returndatasize(), 32))
                to := add(to, 32)
                pos := add(pos, 4)
            }
        }
        if (!ok) revert Trees.HashFailed();
    }

    function _leaves(bool salted, uint256 ids) private pure returns (uint256) {
        return salted ? ids : (ids + 15) / 16;
    }

    function _pieces(bool salted, uint256 ids) private pure returns (uint256) {
        uint256 most = salted ? SALTED : LEAVES;
        return (_leaves(salted, ids) + most - 1) / most;
    }
}
