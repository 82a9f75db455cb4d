// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnswerBase} from "./AnswerBase.sol";
import {IAnswerRules, IClusterRules, IProofRules} from "./interfaces/IRules.sol";
import {IStepVerifier, Read} from "./interfaces/IStepVerifier.sol";
import {Descriptors} from "./libraries/Descriptors.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Graph} from "./libraries/Graph.sol";
import {Job} from "./libraries/Job.sol";
import {Packed} from "./libraries/Packed.sol";
import {Recall} from "./libraries/Recall.sol";
import {States} from "./libraries/States.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title Move 13, answer; see IAnswerRules
contract AnswerRules is AnswerBase, IAnswerRules {
    /// @notice Judges answers about confidential models.
    IProofRules public immutable PROOFS;

    /// @notice Judges answers about whole tensors of confidential models.
    IClusterRules public immutable CLUSTERS;

    /// @dev Stands where an answer about an element has its operation (SPEC 08 §7.15).
    uint8 private constant CLUSTER = 255;

    constructor(address steps, address proofs, address clusters) AnswerBase(steps) {
        PROOFS = IProofRules(proofs);
        CLUSTERS = IClusterRules(clusters);
    }

    /// @notice Judges an answer; see IAnswer.
    function answer(bytes calldata state, bytes calldata payload) external view returns (bytes memory s) {
        s = state;
        if (G.confidential(s)) {
            bool whole = payload.length > Job.SIZE && uint8(payload[Job.SIZE]) == CLUSTER;
            return whole ? CLUSTERS.answer(state, payload) : PROOFS.answer(state, payload);
        }
        if (G.get(s, G.PHASE) != G.ANSWER) revert G.WrongPhase(13, uint8(G.get(s, G.PHASE)));
        Parse memory p = _parse(s, payload);
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

    /// @dev Opens the leaves of one read, which begin at `p.data`, against the root that the read's kind names.
    function _open(bytes memory s, Parse memory p, Read memory r) private view {
        bytes32 want = _source(s, p, r);
        if (r.kind == Descriptors.PROMPT) _spread(p, r);
        uint256 a = r.lo / r.leafBytes;
        uint256 b = (uint256(r.hi) + r.leafBytes - 1) / r.leafBytes;
        bytes32 root;
        (root, p.pos) =
            Trees.openRange(p.data, r.leafBytes, a, b, Trees.depth(r.totalBytes, r.leafBytes), p.pos, p.end);
        States.same(root, want);
        p.data += (b - a) * r.leafBytes;
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
}
