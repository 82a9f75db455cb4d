// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnswerBase} from "./AnswerBase.sol";
import {IProofVerifier} from "./interfaces/IProofVerifier.sol";
import {IClusterRules, IGameRules} from "./interfaces/IRules.sol";
import {Read} from "./interfaces/IStepVerifier.sol";
import {Descriptors} from "./libraries/Descriptors.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Graph} from "./libraries/Graph.sol";
import {Job} from "./libraries/Job.sol";
import {Packed} from "./libraries/Packed.sol";
import {Shapes} from "./libraries/Shapes.sol";
import {States} from "./libraries/States.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title Move 13, answer, about a whole tensor of a confidential model: one proof for all of its elements (SPEC 08 §7.15,
/// 10 §4.7)
/// @notice Inputs and shape are computed here from descriptors, state and the evaluators; the prover names operators,
/// leaves and for whom the proof was made. The root over the leaves that the operators give decides.
contract ClusterRules is AnswerBase, IClusterRules {
    /// @dev Numerics version whose keys are used.
    uint16 private constant VERSION = 1;
    /// @dev Takes the place of the operation in the binding (SPEC 10 §4.7).
    uint8 private constant MARK = 255;
    /// @dev Bounds of SPEC 10 §4.8.
    uint256 private constant MAX_OPERATORS = 8;
    uint256 private constant MAX_ELEMENTS = 4096;
    uint256 private constant MAX_LEAVES = 512;
    uint256 private constant MAX_DATA = 6144;
    /// @dev One bit for each operation of SPEC 10 §4.8.
    uint256 private constant OPS = (1 << 2) | (1 << 3) | (1 << 4) | (1 << 6) | (1 << 7) | (1 << 8) | (1 << 10) | (1 << 11)
        | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 15) | (1 << 16) | (1 << 17) | (1 << 19) | (1 << 22) | (1 << 50)
        | (1 << 51) | (1 << 52);

    struct Operator {
        uint256 tensor;
        uint256 descriptor; // calldata position
        Read[] first; // of its first element
        Read[] last;
    }

    struct Input {
        Read read; // where it was found; its range is not used
        uint256 owner; // number of the operator whose model tensor it is, and one; 0 for a tensor of the stage
        uint256 a; // leaves
        uint256 b;
    }

    struct Cluster {
        Operator[] operators;
        Input[] inputs;
        uint256 known; // how many of the inputs are there
        uint256 elements;
    }

    constructor(address steps) AnswerBase(steps) {}

    /// @notice Judges a cluster answer; see IAnswer.
    function answer(bytes calldata state, bytes calldata payload) external view returns (bytes memory s) {
        s = state;
        uint256 phase = G.get(s, G.PHASE);
        if (phase < G.PICK || phase > G.ANSWER) revert G.WrongPhase(13, uint8(phase));
        Parse memory p;
        (p.job, p.end) = Packed.bounds(payload);
        uint256 head = Packed.take(p.job, Job.SIZE, p.end);
        Job.check(p.job, G.word(s, G.JOB_HASH));
        p.pos = Packed.take(head, 23, p.end);
        Cluster memory x = _cluster(s, p, Packed.uintAt(head + 22, 1));
        uint256 tensor = x.operators[x.operators.length - 1].tensor;
        if (phase != G.PICK && tensor != G.get(s, G.TENSOR)) revert IGameRules.OutOfRange(tensor, G.get(s, G.TENSOR));
        bool equal = _prove(s, p, x, head, keccak256(state));
        Packed.done(p.pos, p.end);
        if (equal) {
            // Before the pick nothing is accused: that a tensor is true decides nothing.
            if (phase == G.PICK) revert G.WrongPhase(13, uint8(phase));
            G.put(s, G.PHASE, G.LOST);
            return s;
        }
        G.put(s, G.TENSOR, tensor);
        G.put(s, G.INDEX, type(uint64).max);
        G.put(s, G.PHASE, G.REFUTED);
    }

    /// @dev Opens the operators and finds what they read. Afterwards `p` has the geometry of the target.
    function _cluster(bytes memory s, Parse memory p, uint256 count) private view returns (Cluster memory x) {
        if (count == 0 || count > MAX_OPERATORS) revert BadCluster(count);
        x.operators = new Operator[](count);
        x.inputs = new Input[](8 * count);
        for (uint256 k = 0; k < count; ++k) {
            _operator(s, p, x, k);
        }
    }

    function _operator(bytes memory s, Parse memory p, Cluster memory x, uint256 k) private view {
        Operator memory o = x.operators[k];
        o.tensor = Packed.uintAt(p.pos, 1);
        o.descriptor = Packed.take(p.pos, 1, p.end);
        p.descriptor = o.descriptor;
        uint256 bound = G.get(s, G.TENSORS);
        if (o.tensor >= bound || o.tensor <= (k == 0 ? 0 : x.operators[k - 1].tensor)) {
            revert IGameRules.OutOfRange(o.tensor, bound);
        }
        uint256 sizes = Graph.openDescriptor(s, o.tensor, o.descriptor, p.end);
        p.pos = Packed.take(sizes, 4, p.end);
        bytes calldata d = _slice(o.descriptor, 192);
        if ((OPS >> Descriptors.op(d)) & 1 == 0) revert BadCluster(k);
        (p.total, p.leafBytes) = Graph.geometry(d, G.get(s, G.T));
        uint256 count = p.total >> (Descriptors.elementType(d) - 1);
        x.elements += count;
        if (x.elements > MAX_ELEMENTS) revert BadCluster(k);
        bytes memory context = _context(s, p);
        o.first = _reads(d, context, 0, Packed.uintAt(sizes, 2));
        o.last = _reads(d, context, count - 1, Packed.uintAt(sizes + 2, 2));
        if (o.first.length != o.last.length) revert BadCluster(k);
        _cover(x, k, o.first);
        _cover(x, k, o.last);
    }

    /// @dev Reads of one element: those of its evaluator on `size` bytes that are zero.
    function _reads(bytes calldata d, bytes memory context, uint256 index, uint256 size)
        private
        view
        returns (Read[] memory reads)
    {
        if (size > MAX_DATA) revert Packed.PayloadLength(size, MAX_DATA);
        (, reads) = STEPS.verifierOf(Descriptors.op(d)).evaluate(d, context, uint64(index), new bytes(size));
    }

    /// @dev Widens the inputs to the reads of operator k that no earlier operator makes.
    function _cover(Cluster memory x, uint256 k, Read[] memory reads) private pure {
        for (uint256 i = 0; i < reads.length; ++i) {
            Read memory r = reads[i];
            if (_maker(x, k, r) != 0) continue;
            if (r.kind != Descriptors.TENSOR && r.kind != Descriptors.MODEL_A && r.kind != Descriptors.MODEL_B) {
                revert BadRead(r.kind);
            }
            uint256 a = r.lo / r.leafBytes;
            uint256 b = (uint256(r.hi) + r.leafBytes - 1) / r.leafBytes;
            uint256 n = _input(x, k, r);
            Input memory input = x.inputs[n];
            if (n == x.known) {
                ++x.known;
                (input.read, input.a, input.b) = (r, a, b);
                input.owner = r.kind == Descriptors.TENSOR ? 0 : k + 1;
            }
            if (input.read.totalBytes != r.totalBytes || input.read.leafBytes != r.leafBytes) revert BadCluster(k);
            if (a < input.a) input.a = a;
            if (b > input.b) input.b = b;
        }
    }

    /// @dev The earlier operator that makes what is read, and one; 0 if none does.
    function _maker(Cluster memory x, uint256 k, Read memory r) private pure returns (uint256) {
        if (r.kind != Descriptors.TENSOR) return 0;
        for (uint256 j = 0; j < k; ++j) {
            if (x.operators[j].tensor == r.index) return j + 1;
        }
        return 0;
    }

    /// @dev Number of the input that a read of operator k is of; the number of known ones if it is new.
    function _input(Cluster memory x, uint256 k, Read memory r) private pure returns (uint256 n) {
        uint256 owner = r.kind == Descriptors.TENSOR ? 0 : k + 1;
        for (; n < x.known; ++n) {
            Input memory input = x.inputs[n];
            if (input.read.kind == r.kind && input.read.index == r.index && input.owner == owner) return n;
        }
    }

    /// @dev Whether the target's root is that over the leaves that the proof shows the operators to give. `slot` is what
    /// the game's slot holds.
    function _prove(bytes memory s, Parse memory p, Cluster memory x, uint256 head, bytes32 slot)
        private
        view
        returns (bool equal)
    {
        IProofVerifier verifier = STEPS.proofsAt(VERSION, uint8(Packed.uintAt(head + 1, 1)));
        uint256 tensor = x.operators[x.operators.length - 1].tensor;
        bytes32[] memory leaves;
        (leaves, equal) = _leaves(s, p, x, tensor);
        uint256 proof = Packed.take(p.pos, 2, p.end);
        uint256 length = Packed.uintAt(p.pos, 2);
        p.pos = Packed.take(proof, length, p.end);
        address prover = address(uint160(Packed.uintAt(head + 2, 20)));
        IProofVerifier.Statement memory about = IProofVerifier.Statement(slot, MARK, uint64(tensor), prover, true);
        verifier.verify(VERSION, _shape(s, x), about, leaves, _slice(proof, length));
    }

    /// @dev Hashes of the leaves of target and inputs, and whether the first lead to the target's root.
    function _leaves(bytes memory s, Parse memory p, Cluster memory x, uint256 tensor)
        private
        view
        returns (bytes32[] memory leaves, bool equal)
    {
        uint256 own = (p.total + p.leafBytes - 1) / p.leafBytes;
        uint256 all = own;
        for (uint256 n = 0; n < x.known; ++n) {
            all += x.inputs[n].b - x.inputs[n].a;
        }
        if (all > MAX_LEAVES) revert BadCluster(all);
        leaves = new bytes32[](all);
        bytes32 claimed = _listed(s, p, tensor);
        uint256 from = p.pos;
        p.pos = Packed.take(from, 32 * own, p.end);
        equal = Trees.rootOver(from, own, 0, Trees.depth(p.total, p.leafBytes)) == claimed;
        _copy(leaves, 0, from, own);
        for (uint256 n = 0; n < x.known; ++n) {
            Input memory input = x.inputs[n];
            if (input.owner != 0) p.descriptor = x.operators[input.owner - 1].descriptor;
            bytes32 want = _source(s, p, input.read);
            uint256 count = input.b - input.a;
            from = p.pos;
            bytes32 root;
            (root, p.pos) = Trees.openHashes(
                from,
                input.a,
                input.b,
                Trees.depth(input.read.totalBytes, input.read.leafBytes),
                Packed.take(from, 32 * count, p.end),
                p.end
            );
            States.same(root, want);
            _copy(leaves, own, from, count);
            own += count;
        }
    }

    /// @dev Copies hashes from calldata to places of a list, which has room for them.
    function _copy(bytes32[] memory to, uint256 place, uint256 from, uint256 count) private pure {
        assembly ("memory-safe") {
            calldatacopy(add(add(to, 32), shl(5, place)), from, shl(5, count))
        }
    }

    /// @dev SPEC 10 §5.13.
    function _shape(bytes memory s, Cluster memory x) private view returns (bytes32) {
        uint256 t = G.get(s, G.T);
        bytes memory text = abi.encodePacked("elenchus/cluster/1", uint8(x.operators.length));
        for (uint256 k = 0; k < x.operators.length; ++k) {
            Operator memory o = x.operators[k];
            bytes calldata d = _slice(o.descriptor, 192);
            (uint256 a, uint256 b, uint256 c) = Descriptors.dims(d, t);
            text = abi.encodePacked(
                text, d[0:4], d[40:128], uint32(a), uint32(b), uint32(c), uint8(o.first.length), _wires(x, k, o.first)
            );
            text = bytes.concat(text, _wires(x, k, o.last));
        }
        text = abi.encodePacked(text, uint8(x.known));
        for (uint256 n = 0; n < x.known; ++n) {
            text = abi.encodePacked(text, uint32(x.inputs[n].b - x.inputs[n].a));
        }
        return Shapes.sha(text);
    }

    /// @dev Where reads of operator k lead.
    function _wires(Cluster memory x, uint256 k, Read[] memory reads) private pure returns (bytes memory text) {
        for (uint256 i = 0; i < reads.length; ++i) {
            Read memory r = reads[i];
            uint256 to = _maker(x, k, r);
            uint256 lo = r.lo;
            if (to != 0) {
                to += 127; // 128 and the place of the operator
            } else {
                to = _input(x, k, r);
                lo -= x.inputs[to].a * r.leafBytes;
            }
            text = abi.encodePacked(text, uint8(to), r.leafBytes, r.totalBytes, uint32(lo), uint32(r.hi - r.lo));
        }
    }
}
