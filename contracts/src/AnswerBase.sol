// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnswer} from "./interfaces/IRules.sol";
import {Read} from "./interfaces/IStepVerifier.sol";
import {StepVerifier} from "./StepVerifier.sol";
import {Descriptors} from "./libraries/Descriptors.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Graph} from "./libraries/Graph.sol";
import {Job} from "./libraries/Job.sol";
import {Packed} from "./libraries/Packed.sol";
import {Recall} from "./libraries/Recall.sol";
import {States} from "./libraries/States.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title What answers that show data and answers by proof have in common (SPEC 08 §7.10, §7.11)
abstract contract AnswerBase is IAnswer {
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

    /// @dev Job, descriptor and geometry of the target; the position behind them.
    function _parse(bytes memory s, bytes calldata payload) internal view returns (Parse memory p) {
        (p.pos, p.end) = Packed.bounds(payload);
        p.job = p.pos;
        p.descriptor = Packed.take(p.pos, Job.SIZE, p.end);
        Job.check(p.job, G.word(s, G.JOB_HASH));
        p.pos = Graph.openDescriptor(s, G.get(s, G.TENSOR), p.descriptor, p.end);
        bytes calldata d = _slice(p.descriptor, 192);
        (p.total, p.leafBytes) = Graph.geometry(d, G.get(s, G.T));
        p.size = 1 << (Descriptors.elementType(d) - 1);
        p.index = G.get(s, G.INDEX);
    }

    /// @dev Lists and memory, where the game has them, are those of job and state.
    function _recall(bytes memory s, Parse memory p) internal pure {
        uint256 pos = Recall.takeLists(p.job, p.pos, p.end);
        if (pos != p.pos) p.lists = p.pos;
        p.pos = pos;
        if (!G.flag(s, G.MEMORY)) return;
        p.memories = pos;
        p.pos = Packed.take(pos, Recall.SIZE, p.end);
        States.same(Packed.hash(pos, Recall.SIZE), G.word(s, G.KV_ROOT));
    }

    /// @dev The root of a tensor of the stage, opened in the R2 tree.
    function _listed(bytes memory s, Parse memory p, uint256 tensor) internal pure returns (bytes32 target) {
        target = Packed.word(p.pos);
        bytes32 root;
        (root, p.pos) = Trees.keccakOpen(
            target, tensor, G.get(s, G.TENSORS), Packed.take(p.pos, 32, p.end), p.end
        );
        States.same(root, G.word(s, G.LIST_ROOT));
    }

    function _source(bytes memory s, Parse memory p, Read memory r) internal pure returns (bytes32) {
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

    /// @dev Makes a read of the prompt one of the leaves that a salted prompt has: 64 bytes for each id (SPEC 06 §3.8).
    function _spread(Parse memory p, Read memory r) internal pure {
        if (!Job.salted(p.job)) return;
        if (r.hi - r.lo != 4 || r.leafBytes != 64) revert BadRead(r.kind);
        (r.lo, r.hi, r.totalBytes) = (16 * r.lo, 16 * r.hi, 16 * r.totalBytes);
    }

    /// @dev SPEC 08 §7.10.
    function _context(bytes memory s, Parse memory p) internal pure returns (bytes memory) {
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

    /// @dev The caller has checked that the range lies in the payload.
    function _slice(uint256 pos, uint256 length) internal pure returns (bytes calldata data) {
        assembly ("memory-safe") {
            data.offset := pos
            data.length := length
        }
    }
}
