// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPoseidon} from "./interfaces/IPoseidon.sol";
import {IGameRules} from "./interfaces/IRules.sol";
import {Descriptors} from "./libraries/Descriptors.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Graph} from "./libraries/Graph.sol";
import {Job} from "./libraries/Job.sol";
import {Packed} from "./libraries/Packed.sol";
import {Pieces} from "./libraries/Pieces.sol";
import {Recall} from "./libraries/Recall.sol";
import {Sealing} from "./libraries/Sealing.sol";
import {States} from "./libraries/States.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title Moves 3 to 12, 17 and 18; see IGameRules
contract GameRules is IGameRules {
    uint256 private constant DESCEND = type(uint64).max;
    uint256 private constant KV_STAGE = type(uint16).max;
    uint256 private constant CANCELLED = 5;

    /// @notice Hashes leaves of ids of confidential models.
    IPoseidon public immutable POSEIDON;

    constructor(address poseidon) {
        POSEIDON = IPoseidon(poseidon);
    }

    /// @inheritdoc IGameRules
    function step(uint8 move, bytes calldata state, bytes calldata payload) external view returns (bytes memory s) {
        s = state;
        uint8 phase = uint8(G.get(s, G.PHASE));
        (uint256 pos, uint256 end) = Packed.bounds(payload);
        if (move == 3) _children(s, phase, pos, end);
        else if (move == 4) _child(s, phase, pos, end);
        else if (move == 5) _reveal(s, phase, pos, end);
        else if (move == 6) _stage(s, phase, pos, end);
        else if (move == 7) _rows(s, phase, pos, end);
        else if (move == 8) _layer(s, phase, pos, end);
        else if (move == 9) _tensors(s, phase, payload);
        else if (move == 10) _pick(s, phase, payload);
        else if (move == 11) _raw(s, phase, pos, end);
        else if (move == 12) _element(s, phase, pos, end);
        else if (move == 17) _publish(s, phase, pos, end);
        else if (move == 18) _decrypt(s, phase, pos, end);
        else revert G.WrongPhase(move, phase);
    }

    // ---- descent over a tree: states, outputs, a tensor

    /// @dev Levels from the subtree in hand to its posted children, and how many of them are present.
    function _fan(bytes memory s) private pure returns (uint256 k, uint256 present) {
        uint256 level = G.get(s, G.LEVEL);
        k = level < 6 ? level : 6;
        uint256 leafBytes = G.get(s, G.LEAF_BYTES);
        uint256 leaves = (G.get(s, G.TOTAL) + leafBytes - 1) / leafBytes;
        uint256 h = level - k;
        present = ((leaves + (1 << h) - 1) >> h) - (G.get(s, G.INDEX) << k);
        if (present > (1 << k)) present = 1 << k;
    }

    function _children(bytes memory s, uint8 phase, uint256 pos, uint256 end) private view {
        bool top = phase == G.STATES || (phase == G.OUTPUTS && G.get(s, G.LEVEL) != 0);
        if (!top && phase != G.TENSOR_DUE) revert G.WrongPhase(3, phase);
        (uint256 k, uint256 present) = _fan(s);
        Packed.done(pos + 32 * present, end);
        States.same(Trees.rootOver(pos, present, G.get(s, G.LEVEL) - k, k), G.word(s, G.SUBTREE));
        G.put(s, G.PHASE, top ? phase + 2 : G.TENSOR_PICK);
    }

    function _child(bytes memory s, uint8 phase, uint256 pos, uint256 end) private view {
        bool outputs = phase == G.OUTPUTS_PICK && G.get(s, G.LEVEL) != 0;
        if (phase != G.STATES_PICK && !outputs && phase != G.TENSOR_PICK) revert G.WrongPhase(4, phase);
        (uint256 k, uint256 present) = _fan(s);
        uint256 number = Packed.uintAt(pos, 1);
        bytes32 child = Packed.word(pos + 1);
        if (number >= present) revert OutOfRange(number, present);
        (bytes32 root, uint256 next) = Trees.openNode(child, 0, number, k, Packed.take(pos, 33, end), end);
        Packed.done(next, end);
        States.same(root, G.word(s, G.SUBTREE));
        uint256 level = G.get(s, G.LEVEL) - k;
        uint256 index = (G.get(s, G.INDEX) << k) | number;
        G.put(s, G.LEVEL, level);
        G.put(s, G.INDEX, index);
        G.putWord(s, G.SUBTREE, child);
        if (outputs) {
            G.put(s, G.PHASE, G.OUTPUTS);
        } else if (phase == G.TENSOR_PICK) {
            G.put(s, G.PHASE, level == 0 ? _bottom(s) : G.TENSOR_DUE);
        } else if (level != 0) {
            G.put(s, G.PHASE, G.STATES);
        } else {
            _toReveal(s, index);
        }
    }

    /// @dev The descent over states or outputs has found its step.
    function _toReveal(bytes memory s, uint256 t) private pure {
        G.put(s, G.T, t);
        G.put(s, G.LEVEL, 0);
        G.put(s, G.INDEX, 0);
        G.put(s, G.TOTAL, 0);
        G.put(s, G.LEAF_BYTES, 0);
        G.put(s, G.ELEMENT_TYPE, 0);
        G.put(s, G.SUBTREE, 0);
        G.put(s, G.PHASE, G.REVEAL);
    }

    function _raw(bytes memory s, uint8 phase, uint256 pos, uint256 end) private view {
        bool outputs = phase == G.OUTPUTS && G.get(s, G.LEVEL) == 0;
        if (phase != G.RAW && !outputs) revert G.WrongPhase(11, phase);
        uint256 leafBytes = G.get(s, G.LEAF_BYTES);
        Packed.done(pos + leafBytes, end);
        States.same(Trees.leaf(pos, leafBytes), G.word(s, G.SUBTREE));
        uint256 used = G.get(s, G.TOTAL) - G.get(s, G.INDEX) * leafBytes;
        for (uint256 i = used; i < leafBytes; ++i) {
            if (Packed.uintAt(pos + i, 1) != 0) revert BadPadding(i);
        }
        G.put(s, G.PHASE, outputs ? G.OUTPUTS_PICK : G.ELEMENT_PICK);
    }

    function _element(bytes memory s, uint8 phase, uint256 pos, uint256 end) private pure {
        bool outputs = phase == G.OUTPUTS_PICK && G.get(s, G.LEVEL) == 0;
        if (phase != G.ELEMENT_PICK && !outputs) revert G.WrongPhase(12, phase);
        uint256 number = Packed.uintAt(pos, 2);
        pos = Packed.take(pos, 2, end);
        uint256 size = 1 << (G.get(s, G.ELEMENT_TYPE) - 1);
        uint256 perLeaf = G.get(s, G.LEAF_BYTES) / size;
        // LEVEL: how many elements of the leaf in hand were proven already (SPEC 08 §4.11); else 0.
        if (number >= perLeaf || number < G.get(s, G.LEVEL)) revert OutOfRange(number, perLeaf);
        uint256 index = G.get(s, G.INDEX) * perLeaf + number;
        uint256 count = G.get(s, G.TOTAL) / size;
        if (index >= count) revert OutOfRange(index, count);
        if (outputs) {
            Job.check(pos, G.word(s, G.JOB_HASH));
            _toReveal(s, Job.promptCount(pos) - 1 + index);
            pos = Packed.take(pos, Job.SIZE, end);
        } else {
            G.put(s, G.INDEX, index);
            G.setFlag(s, G.DESCENDED);
            G.put(s, G.PHASE, G.ANSWER);
        }
        Packed.done(pos, end);
    }

    // ---- the ids of a claim, piece by piece

    /// @dev The next piece, in the clear or encrypted. What is encrypted is kept as a hash of all pieces, for CHECK.
    function _publish(bytes memory s, uint8 phase, uint256 pos, uint256 end) private view {
        if (phase != G.PUBLICATION) revert G.WrongPhase(17, phase);
        uint256 job = pos;
        pos = Packed.take(pos, Job.SIZE, end);
        Job.check(job, G.word(s, G.JOB_HASH));
        uint256 index = G.get(s, G.INDEX);
        Pieces.Piece memory p = Pieces.numbered(s, job, index);
        bool secret = G.get(s, G.ELEMENT_TYPE) != 0;
        if (secret) {
            Packed.done(Packed.take(pos, 64 + Pieces.size(p), end), end);
            Sealing.point(pos);
            G.putWord(s, G.SUBTREE, Sealing.chain(G.word(s, G.SUBTREE), Packed.hash(pos, end - pos)));
        } else {
            (bytes32 root, uint256 next) = Pieces.rootOf(p, pos, end);
            Packed.done(next, end);
            States.same(root, p.root);
        }
        ++index;
        G.put(s, G.INDEX, index);
        if (index == G.get(s, G.TOTAL)) G.put(s, G.PHASE, secret ? G.CHECK : G.LOST);
    }

    /// @dev The opener is content (the job alone), or shows what a piece decrypts to with the secret that he shares with
    /// who encrypted it: if that does not lead to the root, the claim is refuted.
    function _decrypt(bytes memory s, uint8 phase, uint256 pos, uint256 end) private view {
        if (phase != G.CHECK) revert G.WrongPhase(18, phase);
        uint256 job = pos;
        pos = Packed.take(pos, Job.SIZE, end);
        Job.check(job, G.word(s, G.JOB_HASH));
        if (pos == end) {
            G.put(s, G.PHASE, G.LOST);
            return;
        }
        uint256 plain = Packed.take(pos, Sealing.SHOWN, end);
        uint256 index = Packed.uintAt(pos, 4);
        if (index >= G.get(s, G.TOTAL)) revert OutOfRange(index, G.get(s, G.TOTAL));
        Pieces.Piece memory p = Pieces.numbered(s, job, index);
        uint256 later = Packed.take(plain, Pieces.size(p), end);
        bytes32 secret = Sealing.shared(G.get(s, G.KV_ROOT), G.get(s, G.BOUNDARY_ROOT), pos + 36);
        bytes32 key = keccak256(abi.encodePacked(secret, G.word(s, G.CASE), uint64(index)));
        bytes32 chained =
            Sealing.chain(Packed.word(pos + 4), Sealing.encrypted(key, pos + 36, plain, later - plain));
        Packed.done(Packed.take(later, 32 * (G.get(s, G.TOTAL) - index - 1), end), end);
        for (; later < end; later += 32) {
            chained = Sealing.chain(chained, Packed.word(later));
        }
        States.same(chained, G.word(s, G.SUBTREE));
        (bytes32 root,) = Pieces.rootOf(p, plain, end);
        G.put(s, G.PHASE, root == p.root ? G.LOST : G.REFUTED);
    }

    // ---- R1: the step's states and boundaries

    function _reveal(bytes memory s, uint8 phase, uint256 pos, uint256 end) private view {
        if (phase != G.REVEAL) revert G.WrongPhase(5, phase);
        uint256 job = pos;
        pos = Packed.take(pos, Job.SIZE, end);
        Job.check(job, G.word(s, G.JOB_HASH));
        pos = G.flag(s, G.GRAPH) ? _revealGraph(s, job, pos, end) : _revealStep(s, job, pos, end);
        Packed.done(pos, end);
        G.put(s, G.PHASE, G.STAGE_PICK);
    }

    function _revealGraph(bytes memory s, uint256 job, uint256 pos, uint256 end) private view returns (uint256 next) {
        uint256 layers = G.get(s, G.LAYERS);
        next = Packed.take(pos, 32 * (layers + 1), end);
        States.same(Packed.word(pos), Job.promptRoot(job));
        States.same(Packed.word(next - 32), Job.outputRoot(job));
        States.same(Trees.rootOver(pos, layers + 1, 0, Trees.depthOf(layers + 1)), Job.stateRoot(job));
        G.putWord(s, G.BOUNDARY_ROOT, Trees.keccakRoot(pos, layers + 1));
    }

    function _revealStep(bytes memory s, uint256 job, uint256 pos, uint256 end) private view returns (uint256) {
        uint256 t = G.get(s, G.T);
        bytes32 kvAfter;
        bytes32 kept;
        (kvAfter, kept, pos) = _states(s, job, t, pos, end);
        // The boundaries and the position leaf stand side by side, as the boundary tree wants them.
        uint256 layers = G.get(s, G.LAYERS);
        uint256 siblings = Packed.take(pos, 32 * (layers + 2), end);
        G.putWord(s, G.BOUNDARY_ROOT, Trees.keccakRoot(pos, layers + 2));
        pos = _append(s, Job.dPos(job), t, Packed.word(siblings - 32), kvAfter, siblings, end);
        G.putWord(s, G.KV_ROOT, kept);
        uint256 m = Job.promptCount(job);
        if (t + 1 < m) G.setFlag(s, G.ABSORB);
        else pos = _output(s, job, t + 1 - m, pos, end);
        return pos;
    }

    /// @dev Both preimages: chain, indices, finish codes, and their place in stateRoot.
    function _states(bytes memory s, uint256 job, uint256 t, uint256 pos, uint256 end)
        private
        view
        returns (bytes32 kvAfter, bytes32 kept, uint256 next)
    {
        uint256 count = Job.promptCount(job) + Job.count(job) - 1;
        bytes32 before;
        bytes32 afterwards;
        uint256 base = Recall.takeLists(job, pos, end);
        (before, afterwards, kept, next) = _preimages(s, job, t, base, end);
        uint256 f = Packed.uintAt(base + 73, 1);
        _finish(t, count, f, Job.finish(job));
        bytes32 root;
        (root, next) = States.open(before, afterwards, t, count, next, end);
        States.same(root, Job.stateRoot(job));
        if (t == 0) next = _first(s, job, base, next, end);
        kvAfter = Packed.word(base + 74);
        G.put(s, G.Y_PREV, Packed.uintAt(base, 4));
        G.put(s, G.Y, Packed.uintAt(base + 69, 4));
        G.put(s, G.F, f);
    }

    /// @dev Hashes of S_{t-1} and S_t, whose preimages begin at `base`, and what the game keeps: the KV root of S_{t-1},
    /// or a hash that holds it and the memories.
    function _preimages(bytes memory s, uint256 job, uint256 t, uint256 base, uint256 end)
        private
        view
        returns (bytes32 before, bytes32 afterwards, bytes32 kept, uint256 next)
    {
        next = Packed.take(base, 106, end);
        bytes32 aux;
        bytes32 auxAfter;
        kept = Packed.word(base + 5);
        G.putWord(s, G.KV_ROOT, kept);
        bytes32 grammar = Recall.grammarRoot(job, base);
        if (Recall.remembers(job, grammar)) (aux, auxAfter, kept, next) = _memories(s, job, grammar, t, base, end);
        if (Packed.uintAt(base + 4, 1) != 0) revert Contradiction("f before", Packed.uintAt(base + 4, 1), 0);
        before = States.hash(t, Packed.uintAt(base, 4), 0, G.word(s, G.KV_ROOT), aux, Packed.word(base + 37));
        afterwards = States.hash(
            t + 1, Packed.uintAt(base + 69, 4), Packed.uintAt(base + 73, 1), Packed.word(base + 74), auxAfter, before
        );
    }

    /// @dev AUX of S_{t-1} and S_t. ABSORB leaves stop strings and grammar as they are; S_{-1} has counted the first id.
    function _memories(bytes memory s, uint256 job, bytes32 grammar, uint256 t, uint256 base, uint256 end)
        private
        view
        returns (bytes32 aux, bytes32 auxAfter, bytes32 kept, uint256 next)
    {
        bool absorb = t + 1 < Job.promptCount(job);
        Recall.Memories memory m;
        (m, next) = Recall.read(job, grammar, Packed.uintAt(base + 69, 4), absorb, base + 106, end);
        if (absorb && (m.stop != m.stopAfter || m.grammar != m.grammarAfter)) {
            revert Contradiction("memory", m.stopAfter, m.stop);
        }
        if (t == 0) {
            States.same(m.counts, Job.counts(job) ? Recall.first(Packed.uintAt(base, 4)) : bytes32(0));
            States.same(bytes32(m.stop), 0);
            States.same(m.grammar, 0);
        }
        G.setFlag(s, G.MEMORY);
        if (Job.stopLengths(job) != 0) G.setFlag(s, G.STOPS);
        if (grammar != 0) G.setFlag(s, G.GRAMMAR);
        kept = Recall.kept(G.word(s, G.KV_ROOT), m);
        aux = Recall.aux(m.counts, m.stop, m.grammar);
        auxAfter = Recall.aux(m.countsAfter, m.stopAfter, m.grammarAfter);
    }

    /// @dev S_{-1} has the first prompt id, an empty KV tree and no predecessor (SPEC 06 §3.2); `before` is its preimage.
    function _first(bytes memory s, uint256 job, uint256 before, uint256 pos, uint256 end)
        private
        view
        returns (uint256 next)
    {
        uint256 siblings = Packed.take(pos, 64, end);
        uint256 levels = Trees.depth((Job.salted(job) ? 64 : 4) * Job.promptCount(job), 64);
        bytes32 root;
        (root, next) = Trees.openRange(pos, 64, 0, 1, levels, siblings, end);
        States.same(root, Job.promptRoot(job));
        uint256 id = States.id(pos);
        if (Packed.uintAt(before, 4) != id) revert Contradiction("prompt", Packed.uintAt(before, 4), id);
        States.same(Packed.word(before + 5), Trees.zero(Job.dPos(job) + G.get(s, G.D_LAYER) + 1 + G.get(s, G.D_ROW)));
        States.same(Packed.word(before + 37), 0);
    }

    /// @dev f_t is 0 before the last step and the claim's finish code there; a cancelled run ends with 0.
    function _finish(uint256 t, uint256 count, uint256 f, uint256 claimed) private pure {
        uint256 want = t + 1 < count || claimed == CANCELLED ? 0 : claimed;
        if (f != want) revert Contradiction("f", f, want);
    }

    /// @dev KV_t is KV_{t-1} with the zero subtree at position t replaced (SPEC 06 §2.2).
    function _append(
        bytes memory s,
        uint256 dPos,
        uint256 t,
        bytes32 position,
        bytes32 kvAfter,
        uint256 pos,
        uint256 end
    ) private view returns (uint256 next) {
        uint256 height = G.get(s, G.D_LAYER) + 1 + G.get(s, G.D_ROW);
        bytes32 root;
        (root,) = Trees.openNode(Trees.zero(height), 0, t, dPos, pos, end);
        States.same(root, G.word(s, G.KV_ROOT));
        (root, next) = Trees.openNode(position, 0, t, dPos, pos, end);
        States.same(root, kvAfter);
    }

    /// @dev Output id o is y_t.
    function _output(bytes memory s, uint256 job, uint256 o, uint256 pos, uint256 end)
        private
        view
        returns (uint256 next)
    {
        uint256 siblings = Packed.take(pos, 64, end);
        bytes32 root;
        (root, next) = Trees.openRange(pos, 64, o >> 4, (o >> 4) + 1, Trees.depth(4 * Job.count(job), 64), siblings, end);
        States.same(root, Job.outputRoot(job));
        uint256 id = States.id(pos + 4 * (o & 15));
        if (id != G.get(s, G.Y)) revert Contradiction("output", id, G.get(s, G.Y));
    }

    // ---- the stage

    function _stage(bytes memory s, uint8 phase, uint256 pos, uint256 end) private pure {
        if (phase != G.STAGE_PICK) revert G.WrongPhase(6, phase);
        Packed.done(Packed.take(pos, 2, end), end);
        uint256 stage = Packed.uintAt(pos, 2);
        uint256 layers = G.get(s, G.LAYERS);
        bool graph = G.flag(s, G.GRAPH);
        bool rows = !graph && stage == KV_STAGE;
        if (!rows) {
            bool head = !graph && stage == (G.flag(s, G.ABSORB) ? layers + 2 : layers + 1);
            uint256 bound = graph ? layers : layers + 1;
            if (!head && stage >= bound) revert OutOfRange(stage, bound);
        }
        G.put(s, G.STAGE, stage);
        G.put(s, G.PHASE, rows ? G.ROWS : G.TENSORS_DUE);
    }

    function _rows(bytes memory s, uint8 phase, uint256 pos, uint256 end) private view {
        if (phase != G.ROWS) revert G.WrongPhase(7, phase);
        uint256 layers = G.get(s, G.LAYERS);
        uint256 path = Packed.take(pos, 32 * layers, end);
        bytes32 position = Trees.rootOver(pos, layers, 1 + G.get(s, G.D_ROW), G.get(s, G.D_LAYER));
        Packed.done(_boundary(s, position, layers + 1, path, end), end);
        G.putWord(s, G.LIST_ROOT, Trees.keccakRoot(pos, layers));
        G.put(s, G.PHASE, G.LAYER_PICK);
    }

    function _layer(bytes memory s, uint8 phase, uint256 pos, uint256 end) private pure {
        if (phase != G.LAYER_PICK) revert G.WrongPhase(8, phase);
        Packed.done(Packed.take(pos, 2, end), end);
        uint256 layer = Packed.uintAt(pos, 2);
        if (layer >= G.get(s, G.LAYERS)) revert OutOfRange(layer, G.get(s, G.LAYERS));
        G.put(s, G.STAGE, layer + 1);
        G.put(s, G.PHASE, G.TENSORS_DUE);
    }

    /// @dev `hash` is hash `index` of the boundary tree.
    function _boundary(bytes memory s, bytes32 hash, uint256 index, uint256 pos, uint256 end)
        private
        pure
        returns (uint256 next)
    {
        uint256 count = G.get(s, G.LAYERS) + (G.flag(s, G.GRAPH) ? 1 : 2);
        bytes32 root;
        (root, next) = Trees.keccakOpen(hash, index, count, pos, end);
        States.same(root, G.word(s, G.BOUNDARY_ROOT));
    }

    // ---- R2: the stage's tensors

    function _tensors(bytes memory s, uint8 phase, bytes calldata payload) private view {
        if (phase != G.TENSORS_DUE) revert G.WrongPhase(9, phase);
        (uint256 pos, uint256 end) = Packed.bounds(payload);
        uint256 roots = Graph.openDescriptor(s, 0, pos, end); // so the payload has the 192 bytes
        bytes calldata d = payload[0:192];
        (uint256 count, uint256 k, uint256 v) =
            (uint256(Descriptors.param(d, 0)), uint256(Descriptors.param(d, 1)), uint256(Descriptors.param(d, 2)));
        if (Descriptors.op(d) != 0 || count < 2 || count > 128 || k >= count || v >= count) {
            revert BadStage(Descriptors.op(d), count, k, v);
        }
        pos = Packed.take(roots, 32 * count, end);
        pos = _before(s, Packed.word(roots), pos, end);
        pos = _after(s, roots, count, pos, end);
        if (k != 0 || v != 0) {
            pos = _rowsOfStage(s, Packed.word(roots + 32 * k), Packed.word(roots + 32 * v), pos, end);
        }
        Packed.done(pos, end);
        G.putWord(s, G.LIST_ROOT, Trees.keccakRoot(roots, count));
        G.put(s, G.TENSORS, count);
        G.put(s, G.PHASE, G.PICK);
    }

    /// @dev The stage's input is the boundary before it; that of stage 0 of a token model is yPrev.
    function _before(bytes memory s, bytes32 root, uint256 pos, uint256 end) private view returns (uint256) {
        (uint256 stage, uint256 layers) = (G.get(s, G.STAGE), G.get(s, G.LAYERS));
        if (G.flag(s, G.GRAPH)) return _boundary(s, root, stage, pos, end);
        if (stage == 0) {
            States.same(root, _leafOf(s, G.get(s, G.Y_PREV)));
            return pos;
        }
        return _boundary(s, root, stage > layers ? layers : stage - 1, pos, end);
    }

    /// @dev The stage's output is the boundary after it; that of the head is y (and f).
    function _after(bytes memory s, uint256 roots, uint256 count, uint256 pos, uint256 end)
        private
        view
        returns (uint256)
    {
        (uint256 stage, uint256 layers) = (G.get(s, G.STAGE), G.get(s, G.LAYERS));
        bytes32 last = Packed.word(roots + 32 * (count - 1));
        if (G.flag(s, G.GRAPH)) return _boundary(s, last, stage + 1, pos, end);
        if (stage <= layers) return _boundary(s, last, stage, pos, end);
        bytes32 y = _leafOf(s, G.get(s, G.Y));
        if (G.flag(s, G.ABSORB)) {
            States.same(last, y);
        } else {
            States.same(Packed.word(roots + 32 * (count - 2)), y);
            States.same(last, _leafOf(s, G.get(s, G.F)));
            if (G.flag(s, G.STOPS | G.GRAMMAR)) return _machines(s, roots, count, pos, end);
        }
        return pos;
    }

    /// @dev Hash of the leaf of a tensor i32 [1], as leaves of the model are hashed (SPEC 10 §6.2).
    function _leafOf(bytes memory s, uint256 v) private view returns (bytes32) {
        if (!G.confidential(s)) return Trees.leafOfI32(int32(uint32(v)));
        uint256 le = ((v & 0xff) << 24) | ((v & 0xff00) << 8) | ((v >> 8) & 0xff00) | (v >> 24);
        return POSEIDON.leaf(bytes32(le << 224), 0);
    }

    /// @dev Where the children of a withheld tensor end: with its bytes, or for a confidential model without.
    function _bottom(bytes memory s) private pure returns (uint256) {
        return G.confidential(s) ? G.ELEMENT_PICK : G.RAW;
    }

    /// @dev The third last tensor of EMIT is the state of the stop strings in S_t, the fourth last that of the grammar.
    function _machines(bytes memory s, uint256 roots, uint256 count, uint256 pos, uint256 end)
        private
        view
        returns (uint256 next)
    {
        next = Packed.take(pos, Recall.SIZE, end);
        if (count < 4) revert BadStage(0, count, 0, 0);
        States.same(Packed.hash(pos, Recall.SIZE), G.word(s, G.KV_ROOT));
        if (G.flag(s, G.STOPS)) _state(s, Packed.uintAt(pos + 100, 4), roots + 32 * (count - 3));
        if (G.flag(s, G.GRAMMAR)) _state(s, uint256(Packed.word(pos + 104)), roots + 32 * (count - 4));
    }

    /// @dev A state of 32 bits is the one element of the tensor whose root stands at `root`.
    function _state(bytes memory s, uint256 state, uint256 root) private view {
        States.same(bytes32(state >> 32), 0);
        States.same(Packed.word(root), _leafOf(s, state));
    }

    /// @dev The stage's K and V rows are those of its layer in the position leaf of t.
    function _rowsOfStage(bytes memory s, bytes32 k, bytes32 v, uint256 pos, uint256 end)
        private
        view
        returns (uint256 next)
    {
        (uint256 stage, uint256 layers) = (G.get(s, G.STAGE), G.get(s, G.LAYERS));
        if (G.flag(s, G.GRAPH) || stage == 0 || stage > layers) revert OutOfRange(stage, layers + 1);
        bytes32 position = Packed.word(pos);
        next = _boundary(s, position, layers + 1, Packed.take(pos, 32, end), end);
        bytes32 root;
        (root, next) = Trees.openNode(Trees.node(k, v), 0, stage - 1, G.get(s, G.D_LAYER), next, end);
        States.same(root, position);
    }

    function _pick(bytes memory s, uint8 phase, bytes calldata payload) private view {
        if (phase != G.PICK) revert G.WrongPhase(10, phase);
        (uint256 pos, uint256 end) = Packed.bounds(payload);
        uint256 tensor = Packed.uintAt(pos, 1);
        uint256 index = Packed.uintAt(pos + 1, 8);
        pos = Packed.take(pos, 9, end);
        uint256 count = G.get(s, G.TENSORS);
        if (tensor == 0 || tensor >= count) revert OutOfRange(tensor, count);
        G.put(s, G.TENSOR, tensor);
        if (index == DESCEND) {
            _descend(s, payload[9:]);
            return;
        }
        Packed.done(pos, end);
        G.put(s, G.INDEX, index);
        G.put(s, G.PHASE, G.ANSWER);
    }

    /// @dev Starts the descent in the picked tensor: its root in R2, and from its descriptor the tree's geometry.
    function _descend(bytes memory s, bytes calldata payload) private view {
        (uint256 pos, uint256 end) = Packed.bounds(payload);
        (uint256 tensor, uint256 count) = (G.get(s, G.TENSOR), G.get(s, G.TENSORS));
        bytes32 target = Packed.word(pos);
        bytes32 root;
        (root, pos) = Trees.keccakOpen(target, tensor, count, Packed.take(pos, 32, end), end);
        States.same(root, G.word(s, G.LIST_ROOT));
        uint256 offset = payload.length - (end - pos);
        Packed.done(Graph.openDescriptor(s, tensor, pos, end), end);
        bytes calldata d = payload[offset:offset + 192];
        (uint256 total, uint256 leafBytes) = Graph.geometry(d, G.get(s, G.T));
        uint256 level = Trees.depth(total, leafBytes);
        G.put(s, G.TOTAL, total);
        G.put(s, G.LEAF_BYTES, leafBytes);
        G.put(s, G.ELEMENT_TYPE, Descriptors.elementType(d));
        G.put(s, G.LEVEL, level);
        G.putWord(s, G.SUBTREE, target);
        G.put(s, G.PHASE, level == 0 ? _bottom(s) : G.TENSOR_DUE);
    }
}
