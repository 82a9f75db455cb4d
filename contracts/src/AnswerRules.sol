// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnswerRules} from "./interfaces/IRules.sol";
import {IStepVerifier, Read} from "./interfaces/IStepVerifier.sol";
import {StepVerifier} from "./StepVerifier.sol";
import {Descriptors} from "./libraries/Descriptors.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Graph} from "./libraries/Graph.sol";
import {Job} from "./libraries/Job.sol";
import {Packed} from "./libraries/Packed.sol";
import {Recall} from "./libraries/Recall.sol";
import {States} from "./libraries/States.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title Move 13, answer; see IAnswerRules
contract AnswerRules is IAnswerRules {
    /// @notice Names the verifier of each op.
    StepVerifier public immutable STEPS;

    /// @dev Where the parser stands, and the sources that reads open against.
    struct Parse {
        uint256 pos;
        uint256 end;
        uint256 job;
        uint256 descriptor; // calldata position
        uint256 lists; // calldata position of the roots of bias, stop strings and grammar; 0 for a job without
        uint256 memories; // calldata position of what R1 left (SPEC 08 §2.3); 0 for a request that remembers nothing
        uint256 total; // of the target, in bytes
        uint256 leafBytes;
        uint256 size; // of an element, in bytes
        uint256 index; // of the element
        uint256 data; // calldata position of the read that is next
        int256 claimed;
        int256 value;
    }

    constructor(address steps) {
        STEPS = StepVerifier(steps);
    }

    /// @inheritdoc IAnswerRules
    function answer(bytes calldata state, bytes calldata payload) external view returns (bytes memory s) {
        s = state;
        if (G.get(s, G.PHASE) != G.ANSWER) revert G.WrongPhase(13, uint8(G.get(s, G.PHASE)));
        Parse memory p;
        (p.pos, p.end) = Packed.bounds(payload);
        p.job = p.pos;
        p.descriptor = Packed.take(p.pos, Job.SIZE, p.end);
        Job.check(p.job, G.word(s, G.JOB_HASH));
        p.pos = Graph.openDescriptor(s, G.get(s, G.TENSOR), p.descriptor, p.end);
        bytes calldata d = _slice(p.descriptor, 192);
        (p.total, p.leafBytes) = Graph.geometry(d, G.get(s, G.T));
        p.size = 1 << (Descriptors.elementType(d) - 1);
        p.index = G.get(s, G.INDEX);
        // A pick outside the tensor is the opener's fault; with an index inside, the value decides.
        if (p.index < p.total / p.size) _compare(s, p);
        Packed.done(p.pos, p.end);
        G.put(s, G.PHASE, p.value == p.claimed ? G.LOST : G.REFUTED);
    }

    /// @inheritdoc IAnswerRules
    function include(bytes calldata state, uint256 count, bytes calldata payload)
        external
        pure
        returns (bytes memory s)
    {
        s = state;
        if (G.get(s, G.PHASE) != G.INCLUSION) revert G.WrongPhase(16, uint8(G.get(s, G.PHASE)));
        (uint256 job, uint256 end) = Packed.bounds(payload);
        uint256 named = Packed.take(job, Job.SIZE, end);
        Job.check(job, G.word(s, G.JOB_HASH));
        uint256 pos = Packed.take(named, 34, end);
        if (count == 0) revert NotPosted(Packed.word(named));
        bytes32 root;
        (root, pos) = Trees.keccakOpen(G.word(s, G.GRAPH_ROOT), Packed.uintAt(named + 32, 2), count, pos, end);
        States.same(root, Packed.word(named));
        Packed.done(pos, end);
        G.put(s, G.PHASE, G.LOST);
    }

    /// @dev Sets what the claim says and what its inputs give; all of it opened.
    function _compare(bytes memory s, Parse memory p) private view {
        _recall(s, p);
        p.claimed = _target(s, p);
        Read[] memory reads = _evaluate(s, p);
        for (uint256 i = 0; i < reads.length; ++i) {
            _open(s, p, reads[i]);
        }
    }

    /// @dev Lists and memory, where the game has them, are those of job and state.
    function _recall(bytes memory s, Parse memory p) private pure {
        uint256 pos = Recall.takeLists(p.job, p.pos, p.end);
        if (pos != p.pos) p.lists = p.pos;
        p.pos = pos;
        if (!G.flag(s, G.MEMORY)) return;
        p.memories = pos;
        p.pos = Packed.take(pos, Recall.SIZE, p.end);
        States.same(Packed.hash(pos, Recall.SIZE), G.word(s, G.KV_ROOT));
    }

    function _evaluate(bytes memory s, Parse memory p) private view returns (Read[] memory reads) {
        bytes calldata d = _slice(p.descriptor, 192);
        p.data = Packed.take(p.pos, 4, p.end);
        bytes calldata data = _slice(p.data, Packed.uintAt(p.pos, 4));
        p.pos = Packed.take(p.data, data.length, p.end);
        IStepVerifier verifier = STEPS.verifierOf(Descriptors.op(d));
        (p.value, reads) = verifier.evaluate(d, _context(s, p), uint64(p.index), data);
    }

    /// @dev The element as the claim has it: opened from R2, or from the leaf that a descent left.
    function _target(bytes memory s, Parse memory p) private view returns (int256) {
        uint256 perLeaf = p.leafBytes / p.size;
        uint256 leaf = p.index / perLeaf;
        uint256 element;
        if (G.flag(s, G.DESCENDED)) {
            element = p.pos;
            p.pos = Packed.take(element, p.leafBytes, p.end);
            States.same(Trees.leaf(element, p.leafBytes), G.word(s, G.SUBTREE));
        } else {
            bytes32 target = _listed(s, p, G.get(s, G.TENSOR));
            element = p.pos;
            uint256 siblings = Packed.take(element, p.leafBytes, p.end);
            bytes32 root;
            (root, p.pos) = Trees.openRange(
                element, p.leafBytes, leaf, leaf + 1, Trees.depth(p.total, p.leafBytes), siblings, p.end
            );
            States.same(root, target);
        }
        return _little(element + (p.index % perLeaf) * p.size, p.size);
    }

    /// @dev The root of a tensor of the stage, opened in the R2 tree.
    function _listed(bytes memory s, Parse memory p, uint256 tensor) private pure returns (bytes32 target) {
        target = Packed.word(p.pos);
        bytes32 root;
        (root, p.pos) = Trees.keccakOpen(
            target, tensor, G.get(s, G.TENSORS), Packed.take(p.pos, 32, p.end), p.end
        );
        States.same(root, G.word(s, G.LIST_ROOT));
    }

    /// @dev Opens the leaves of one read, which begin at `p.data`, against the root that the read's kind names.
    function _open(bytes memory s, Parse memory p, Read memory r) private view {
        bytes32 want = _source(s, p, r);
        uint256 a = r.lo / r.leafBytes;
        uint256 b = (uint256(r.hi) + r.leafBytes - 1) / r.leafBytes;
        bytes32 root;
        (root, p.pos) =
            Trees.openRange(p.data, r.leafBytes, a, b, Trees.depth(r.totalBytes, r.leafBytes), p.pos, p.end);
        States.same(root, want);
        p.data += (b - a) * r.leafBytes;
    }

    function _source(bytes memory s, Parse memory p, Read memory r) private pure returns (bytes32) {
        if (r.kind == Descriptors.TENSOR) return _listed(s, p, r.index);
        if (r.kind == Descriptors.MODEL_A) return Packed.word(p.descriptor + 128);
        if (r.kind == Descriptors.MODEL_B) return Packed.word(p.descriptor + 160);
        if (r.kind == Descriptors.KV) return p.memories == 0 ? G.word(s, G.KV_ROOT) : Packed.word(p.memories);
        if (r.kind == Descriptors.PROMPT) return Job.promptRoot(p.job);
        if (r.kind == Descriptors.STOP) return Job.stopRoot(p.job);
        if (r.kind == Descriptors.COUNTS && p.memories != 0) return Packed.word(p.memories + 32);
        if (r.kind == Descriptors.BIAS && p.lists != 0) return Packed.word(p.lists);
        if (r.kind == Descriptors.STRINGS && p.lists != 0) return Packed.word(p.lists + 32);
        if (r.kind == Descriptors.GRAMMAR && p.lists != 0) return Packed.word(p.lists + 64);
        revert BadRead(r.kind);
    }

    /// @dev SPEC 08 §7.10.
    function _context(bytes memory s, Parse memory p) private pure returns (bytes memory) {
        uint256 job = p.job;
        bytes memory head = abi.encodePacked(
            uint32(G.get(s, G.T)), uint32(Job.promptCount(job)), uint32(G.get(s, G.Y_PREV)), uint32(Job.maxNew(job))
        );
        bytes memory tail = abi.encodePacked(
            uint32(Job.tMax(job)),
            uint32(Job.temperature(job)),
            uint64(Job.seed(job)),
            uint8(Job.stopCount(job)),
            p.lists != 0 && Packed.word(p.lists) != 0, // biased
            p.lists != 0 && Packed.word(p.lists + 64) != 0, // grammared
            uint8(0)
        );
        (uint256 stop, uint256 grammar) = (0, 0);
        if (p.memories != 0) (stop, grammar) = (Packed.uintAt(p.memories + 64, 4), Packed.uintAt(p.memories + 96, 4));
        return abi.encodePacked(head, tail, uint224(Job.settings(job)), uint32(stop), uint32(grammar), bytes8(0));
    }

    /// @dev `size` bytes, little-endian, two's complement.
    function _little(uint256 pos, uint256 size) private pure returns (int256 value) {
        uint256 word = Packed.uintAt(pos, size);
        uint256 v;
        for (uint256 i = 0; i < size; ++i) {
            v = (v << 8) | (word & 0xff);
            word >>= 8;
        }
        assembly ("memory-safe") {
            value := signextend(sub(size, 1), v)
        }
    }

    /// @dev The caller has checked that the range lies in the payload.
    function _slice(uint256 pos, uint256 length) private pure returns (bytes calldata data) {
        assembly ("memory-safe") {
            data.offset := pos
            data.length := length
        }
    }
}
