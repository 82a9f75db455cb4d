// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Job} from "./Job.sol";
import {Trees} from "./Trees.sol";

/// @title The ids of a claim in pieces of at most 2,048 bytes (SPEC 08 §4.12)
/// @notice Pieces are those of the prompt, then of the stop ids, then of the outputs: 32 leaves each, the last of a list fewer,
/// followed by their siblings.
library Pieces {
    uint256 private constant LEAVES = 32;

    /// @param a The first leaf.
    /// @param b The leaf behind the last one.
    /// @param levels Depth of the list's tree.
    /// @param root The list's root.
    struct Piece {
        uint256 a;
        uint256 b;
        uint256 levels;
        bytes32 root;
    }

    /// @notice How many pieces the ids of a claim are.
    function count(uint256 prompt, uint256 stops, uint256 outputs) internal pure returns (uint256) {
        return _pieces(prompt) + _pieces(stops) + _pieces(outputs);
    }

    /// @notice The piece with a number below the count, of the job at a calldata position.
    function numbered(uint256 job, uint256 index) internal pure returns (Piece memory p) {
        uint256 ids = Job.promptCount(job);
        p.root = Job.promptRoot(job);
        if (index >= _pieces(ids)) {
            index -= _pieces(ids);
            (ids, p.root) = (Job.stopCount(job), Job.stopRoot(job));
            if (index >= _pieces(ids)) {
                index -= _pieces(ids);
                (ids, p.root) = (Job.count(job), Job.outputRoot(job));
            }
        }
        uint256 leaves = _leaves(ids);
        p.levels = Trees.depthOf(leaves);
        p.a = LEAVES * index;
        p.b = p.a + LEAVES < leaves ? p.a + LEAVES : leaves;
    }

    /// @notice Bytes of a piece: its leaves and their siblings.
    function size(Piece memory p) internal pure returns (uint256 bytes_) {
        bytes_ = 64 * (p.b - p.a);
        (uint256 a, uint256 b) = (p.a, p.b);
        for (uint256 h = 0; h < p.levels; ++h) {
            bytes_ += 32 * ((a & 1) + (b & 1));
            (a, b) = (a >> 1, (b + 1) >> 1);
        }
    }

    /// @notice The root to which a piece at a calldata position leads, and the position behind it.
    function rootOf(Piece memory p, uint256 pos, uint256 end) internal view returns (bytes32 root, uint256 next) {
        return Trees.openRange(pos, 64, p.a, p.b, p.levels, pos + 64 * (p.b - p.a), end);
    }

    function _leaves(uint256 ids) private pure returns (uint256) {
        return (ids + 15) / 16;
    }

    function _pieces(uint256 ids) private pure returns (uint256) {
        return (_leaves(ids) + LEAVES - 1) / LEAVES;
    }
}
