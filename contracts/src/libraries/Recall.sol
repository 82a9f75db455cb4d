// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "./Digests.sol";
import {Job} from "./Job.sol";
import {Packed} from "./Packed.sol";
import {States} from "./States.sol";
import {Trees} from "./Trees.sol";

/// @title What states remember beside tokens and rows (SPEC 06 §3.5, 08 §7.5): counts, stop strings, grammar
library Recall {
    /// @dev Depth of the count tree, counts of a leaf.
    uint256 private constant DEPTH = 16;
    uint256 private constant PER_LEAF = 16;
    /// @notice Size of the preimage of a game's memory (SPEC 08 §2.3).
    uint256 internal constant SIZE = 136;

    /// @notice The memories of S_{t-1} and S_t; what the request does not use is zero.
    struct Memories {
        bytes32 counts;
        bytes32 countsAfter;
        uint256 stop;
        uint256 stopAfter;
        bytes32 grammar;
        bytes32 grammarAfter;
    }

    /// @notice Position after the roots of the lists, if the job has any: they must be its own.
    function takeLists(uint256 job, uint256 pos, uint256 end) internal pure returns (uint256 next) {
        bytes32 want = Job.lists(job);
        if (want == 0) return pos;
        next = Packed.take(pos, Digests.LISTS_SIZE, end);
        States.same(Digests.lists(pos), want);
    }

    /// @notice Root of the grammar before `next`, which takeLists gave; 0 for a job without lists.
    function grammarRoot(uint256 job, uint256 next) internal pure returns (bytes32) {
        return Job.lists(job) == 0 ? bytes32(0) : Packed.word(next + 64 - Digests.LISTS_SIZE);
    }

    /// @notice Whether the request remembers (SPEC 08 §1.1).
    function remembers(uint256 job, bytes32 grammar) internal pure returns (bool) {
        return Job.counts(job) || Job.stopLengths(job) != 0 || grammar != 0;
    }

    /// @notice Reads what R1 shows of memories around the step that yields y.
    function read(uint256 job, bytes32 grammar, uint256 y, bool absorb, uint256 pos, uint256 end)
        internal
        view
        returns (Memories memory m, uint256 next)
    {
        next = pos;
        if (Job.counts(job)) next = _counts(m, y, absorb, pos, end);
        if (Job.stopLengths(job) != 0) {
            pos = next;
            next = Packed.take(pos, 8, end);
            (m.stop, m.stopAfter) = (Packed.uintAt(pos, 4), Packed.uintAt(pos + 4, 4));
        }
        if (grammar != 0) {
            pos = next;
            next = Packed.take(pos, 64, end);
            (m.grammar, m.grammarAfter) = (Packed.word(pos), Packed.word(pos + 32));
        }
    }

    /// @dev The leaf of y's count under S_{t-1}, and what the step makes of it.
    function _counts(Memories memory m, uint256 y, bool absorb, uint256 pos, uint256 end)
        private
        view
        returns (uint256 next)
    {
        uint256 leaf = y / PER_LEAF;
        uint256 siblings = Packed.take(pos, 64, end);
        (m.counts, next) = Trees.openRange(pos, 64, leaf, leaf + 1, DEPTH, siblings, end);
        uint256 count = States.id(pos + 4 * (y % PER_LEAF));
        bytes32 changed = _leaf(Packed.word(pos), Packed.word(pos + 32), y % PER_LEAF, absorb ? count | 1 : count + 2);
        (m.countsAfter,) = Trees.openNode(changed, 0, leaf, DEPTH, siblings, end);
    }

    /// @dev Hash of the leaf of two words in which element i is `count` modulo 2^32.
    function _leaf(bytes32 a, bytes32 b, uint256 i, uint256 count) private view returns (bytes32) {
        uint256 shift = 224 - 32 * (i % 8);
        uint256 little =
            ((count & 0xff) << 24) | ((count & 0xff00) << 8) | ((count >> 8) & 0xff00) | ((count >> 24) & 0xff);
        uint256 word = uint256(i < 8 ? a : b);
        word = (word & ~(uint256(0xffffffff) << shift)) | (little << shift);
        if (i < 8) a = bytes32(word);
        else b = bytes32(word);
        return _sha(abi.encodePacked(uint8(0), a, b));
    }

    /// @notice AUX of a state (SPEC 06 §3.5).
    function aux(bytes32 counts, uint256 stop, bytes32 grammar) internal view returns (bytes32) {
        return _sha(abi.encodePacked(uint8(3), counts, uint32(stop), grammar));
    }

    /// @notice Root of the count tree that has counted the id of a prompt once, and nothing else.
    function first(uint256 id) internal view returns (bytes32 root) {
        if (id >= PER_LEAF << DEPTH) revert Trees.RangeOutside(id / PER_LEAF, id / PER_LEAF + 1, DEPTH);
        bytes32 empty = _sha(new bytes(65));
        root = _leaf(0, 0, id % PER_LEAF, 1);
        for (uint256 h = 0; h < DEPTH; ++h) {
            root = (id / PER_LEAF >> h) & 1 == 1 ? Trees.node(empty, root) : Trees.node(root, empty);
            empty = Trees.node(empty, empty);
        }
    }

    /// @notice What the state keeps (SPEC 08 §2.3).
    function kept(bytes32 kv, Memories memory m) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(kv, m.counts, uint32(m.stop), m.grammar, uint32(m.stopAfter), m.grammarAfter)
        );
    }

    function _sha(bytes memory data) private view returns (bytes32 result) {
        bool ok;
        assembly ("memory-safe") {
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 2, add(data, 32), mload(data), 0, 32))
            result := mload(0)
        }
        if (!ok) revert Trees.HashFailed();
    }
}
