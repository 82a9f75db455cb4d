// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOpenRules} from "./interfaces/IRules.sol";
import {Descriptors} from "./libraries/Descriptors.sol";
import {Digests} from "./libraries/Digests.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Graph} from "./libraries/Graph.sol";
import {Job} from "./libraries/Job.sol";
import {Packed} from "./libraries/Packed.sol";
import {Pieces} from "./libraries/Pieces.sol";
import {Sealing} from "./libraries/Sealing.sol";
import {States} from "./libraries/States.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title Move 2, open; see IOpenRules
contract OpenRules is IOpenRules {
    /// @dev "elenchus/model/1".
    uint256 private constant MAGIC = 0x656c656e636875732f6d6f64656c2f31;
    uint256 private constant SETTINGS = 331; // offsets in the payload
    uint256 private constant HEADER = 391;
    uint256 private constant EVIDENCE = 615;
    uint256 private constant MAX_HEIGHT = 32;
    uint256 private constant ANY_STATES = type(uint32).max;
    uint256 private constant ANY_OUTPUTS = type(uint32).max - 1;
    uint256 private constant ON_ITS_FACE = type(uint32).max - 2;
    uint256 private constant CONTRADICTION = type(uint32).max - 3;
    uint256 private constant INCLUSION = type(uint32).max - 4;
    uint256 private constant CANCELLED = 5;
    uint256 private constant PUBLICATION = type(uint32).max - 5;
    uint256 private constant DELIVERY = type(uint32).max - 6;
    uint256 private constant LAST_FINISH = 6;
    /// @dev Size of a claim's own fields in a payload: count, finish, roots, value, times.
    uint256 private constant CLAIM = 109;

    /// @dev Where the parser stands and what it has found.
    struct Parse {
        uint256 base; // start of the payload in calldata
        uint256 pos;
        uint256 end;
        uint256 cancel; // of a claim that was cancelled, where the user's signature stands
        uint256 t;
        uint256 m;
        uint256 n;
        bool graph;
        bytes32 domain;
        bytes32 extras;
        bytes32 request;
        bytes32 digest;
        bytes32 claimId;
        uint256 key; // where the key of a delivery stands
        uint256 sizes; // in a demand for data: where the descriptors of a graph model's input and output stand, or what a request has of lists
    }

    /// @inheritdoc IOpenRules
    function open(bytes32 domain, bytes32 batch, uint256 count, bytes calldata payload)
        external
        view
        returns (Opening memory o)
    {
        Parse memory p;
        (p.base, p.end) = Packed.bounds(payload);
        if (Packed.uintAt(p.base + 96, 1) == CANCELLED) p.cancel = p.end = p.end - 65;
        p.pos = Packed.take(p.base, EVIDENCE + 1, p.end);
        p.domain = domain;
        p.t = Packed.uintAt(p.base + 20, 4);
        p.m = Packed.uintAt(p.base + 233, 4);
        p.n = Packed.uintAt(p.base + 92, 4);
        p.extras = Digests.extras(Packed.uintAt(p.base + SETTINGS, 28), Packed.word(p.base + SETTINGS + 28));
        bytes32 model = _modelId(p.base);
        p.request = _request(p, model);
        _header(p);
        o.value = Packed.uintAt(p.base + 161, 16);
        o.windowEnd = Packed.uintAt(p.base + 193, 8);
        (p.digest, p.claimId) = _claim(p, p.base + 92, p.cancel);
        _evidence(p, o, count);
        if (p.t == CONTRADICTION) _contradiction(p, o);
        if (p.t == DELIVERY) (p.key, p.pos) = (p.pos, Packed.take(p.pos, 64, p.end));
        if (p.t == DELIVERY || p.t == PUBLICATION) (p.sizes, p.pos) = (p.pos, Packed.take(p.pos, _sizes(p), p.end));
        Packed.done(p.pos, p.end);
        o.record = _job(p, model);
        bytes memory s = _identity(p, o.record, batch);
        _target(p, o, s);
        o.claimId = p.claimId;
        o.key = _key(p.base, p.claimId);
    }

    /// @dev Bytes of what says how much data a demand asks for.
    function _sizes(Parse memory p) private pure returns (uint256) {
        if (p.graph) return 3 * (192 + 32 * (7 + Trees.depthOf(Packed.uintAt(p.base + HEADER + 28, 2))));
        return Packed.word(p.base + SETTINGS + 28) == 0 ? 0 : Digests.LISTS_SIZE;
    }

    /// @dev keccak(opener | claim id | t | salt); the last two stand side by side in the payload.
    function _key(uint256 base, bytes32 claimId) private pure returns (bytes32 key) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, base, 20)
            mstore(add(p, 20), claimId)
            calldatacopy(add(p, 52), add(base, 20), 36)
            key := keccak256(p, 88)
        }
    }

    /// @dev Form of the model header (SPEC 06 §1.1) and of the claim for its kind (SPEC 07 §3).
    function _header(Parse memory p) private pure {
        uint256 h = p.base + HEADER;
        if (Packed.uintAt(h, 16) != MAGIC) revert BadHeader("magic", Packed.uintAt(h, 16));
        if (Packed.uintAt(h + 16, 2) != 1) revert BadHeader("numerics", Packed.uintAt(h + 16, 2));
        uint256 kind = Packed.uintAt(h + 18, 2);
        if (kind != 1 && kind != 2) revert BadHeader("kind", kind);
        if (Packed.uintAt(h + 28, 2) == 0) revert BadHeader("layers", 0);
        for (uint256 i = 30; i < 33; ++i) {
            if (Packed.uintAt(h + i, 1) > MAX_HEIGHT) revert BadHeader("depth", Packed.uintAt(h + i, 1));
        }
        if (Packed.uintAt(h + 24, 1) != 0) revert BadHeader("positions", Packed.uintAt(h + 24, 4));
        p.graph = kind == 2;
        uint256 class = Packed.uintAt(h + 33, 1);
        if (class > 2 || (p.graph && class != 0)) revert BadHeader("class", class);
        if (class == 2 && (p.t < DELIVERY || p.t >= ANY_OUTPUTS)) revert PrivateModel();
        (bytes32 field, uint256 value) = p.graph ? _graphFace(p) : _tokenFace(p);
        if (p.t == ON_ITS_FACE) {
            if (field == 0) revert BadStep(p.t, 0);
        } else if (field != 0) {
            revert BadClaim(field, value);
        }
    }

    /// @dev The first field of a claim on a graph model that its kind contradicts (SPEC 08 §4.8), or 0.
    function _graphFace(Parse memory p) private pure returns (bytes32, uint256) {
        if (p.n != 0) return ("count", p.n);
        uint256 finish = Packed.uintAt(p.base + 96, 1);
        return (finish == 0 ? bytes32(0) : bytes32("finish"), finish);
    }

    /// @dev The first field of a claim on a token model that its request or the model contradicts, or 0.
    function _tokenFace(Parse memory p) private pure returns (bytes32, uint256) {
        if (p.m == 0) return ("promptCount", 0);
        if (p.n == 0 || p.n > Packed.uintAt(p.base + 237, 4)) return ("count", p.n);
        uint256 states = p.m + p.n - 1;
        if (states > Packed.uintAt(p.base + HEADER + 24, 4)) return ("states", states);
        uint256 finish = Packed.uintAt(p.base + 96, 1);
        if (finish == 0 || finish > LAST_FINISH) return ("finish", finish);
        if (finish == CANCELLED) {
            (, address signer) = Digests.cancelled(p.domain, p.request, p.n, p.cancel);
            if (signer == address(0) || signer != _user(p)) return ("cancelled", p.n);
        }
        return (0, 0);
    }

    /// @dev Digest and id of a claim of the node on the request, whose own fields begin at `c`; a claim that was cancelled
    /// names the request with the user's signature at `cancel`.
    function _claim(Parse memory p, uint256 c, uint256 cancel) private pure returns (bytes32 digest, bytes32 id) {
        bytes32 named = p.request;
        if (cancel != 0) (named,) = Digests.cancelled(p.domain, named, Packed.uintAt(c, 4), cancel);
        (digest, id) = Digests.claim(
            p.domain,
            Digests.Claim({
                kind: 0,
                version: 0,
                node: _node(p),
                requestDigest: named,
                count: Packed.uintAt(c, 4),
                finish: Packed.uintAt(c + 4, 1),
                stateRoot: Packed.word(c + 5),
                outputRoot: Packed.word(c + 37),
                value: Packed.uintAt(c + 69, 16),
                issued: Packed.uintAt(c + 85, 8),
                batchBy: Packed.uintAt(c + 93, 8),
                challengeUntil: Packed.uintAt(c + 101, 8)
            })
        );
    }

    function _node(Parse memory p) private pure returns (address) {
        return address(uint160(Packed.uintAt(p.base + 72, 20)));
    }

    function _user(Parse memory p) private pure returns (address) {
        return address(uint160(Packed.uintAt(p.base + 287, 20)));
    }

    /// @dev That the node made the claim: a signature, or a place in its batch.
    function _evidence(Parse memory p, Opening memory o, uint256 count) private pure {
        if (Packed.uintAt(p.base + EVIDENCE, 1) == 1) _inclusion(p, _node(p), p.digest, count);
        else o.keys[0] = _signature(p, p.digest, Packed.uintAt(p.base + EVIDENCE, 1));
    }

    /// @dev A signature of kind 0 is the node's own, one of kind 2 that of a key, which stands before it.
    function _signature(Parse memory p, bytes32 digest, uint256 kind) private pure returns (address key) {
        address want = _node(p);
        if (kind == 2) {
            want = key = address(uint160(Packed.uintAt(p.pos, 20)));
            p.pos = Packed.take(p.pos, 20, p.end);
        }
        uint256 pos = p.pos;
        p.pos = Packed.take(pos, 65, p.end);
        if (kind != 0 && kind != 2) revert NoEvidence(want, digest);
        address signer =
            Digests.recover(digest, Packed.word(pos), Packed.word(pos + 32), Packed.uintAt(pos + 64, 1));
        if (signer != want) revert NoEvidence(want, digest);
    }

    /// @dev Another claim of the node on the same request, signed, such that neither is a prefix of the other.
    function _contradiction(Parse memory p, Opening memory o) private view {
        uint256 other = p.pos;
        p.pos = Packed.take(other, CLAIM, p.end);
        uint256 cancel;
        if (Packed.uintAt(other + 4, 1) == CANCELLED) (cancel, p.pos) = (p.pos, Packed.take(p.pos, 65, p.end));
        (bytes32 digest,) = _claim(p, other, cancel);
        uint256 evidence = p.pos;
        p.pos = Packed.take(evidence, 1, p.end);
        o.keys[1] = _signature(p, digest, Packed.uintAt(evidence, 1));
        uint256 kind = Packed.uintAt(p.pos, 1);
        uint256 index = Packed.uintAt(p.pos + 1, 4);
        p.pos = Packed.take(p.pos, 5, p.end);
        if (!_differ(p, kind, index, other)) revert NoContradiction(kind, index);
    }

    /// @dev Kind 0: claims of one length with different roots. 1: a state, 2: an output id that both have and that differs.
    function _differ(Parse memory p, uint256 kind, uint256 index, uint256 other) private view returns (bool) {
        (uint256 mine, uint256 n) = (p.base + 92, Packed.uintAt(other, 4));
        if (kind == 0) {
            bool same = Packed.word(mine + 5) == Packed.word(other + 5)
                && Packed.word(mine + 37) == Packed.word(other + 37);
            return index == 0 && n == p.n && !same;
        }
        uint256 least = n < p.n ? n : p.n;
        if (p.graph || kind > 2 || index >= (kind == 1 ? p.m + least - 1 : least)) return false;
        if (kind == 1) return _state(p, mine, index) != _state(p, other, index);
        return _output(p, mine, index) != _output(p, other, index);
    }

    /// @dev A state of the claim whose fields begin at `c`, opened.
    function _state(Parse memory p, uint256 c, uint256 index) private view returns (bytes32 leaf) {
        leaf = Packed.word(p.pos);
        uint256 pos = Packed.take(p.pos, 32, p.end);
        uint256 depth = Trees.depth(32 * (p.m + Packed.uintAt(c, 4) - 1), 32);
        bytes32 root;
        (root, p.pos) = Trees.openNode(leaf, 0, index, depth, pos, p.end);
        States.same(root, Packed.word(c + 5));
    }

    /// @dev An output id of the claim whose fields begin at `c`, opened.
    function _output(Parse memory p, uint256 c, uint256 index) private view returns (uint256 id) {
        (uint256 leaf, uint256 depth) = (index / 16, Trees.depth(4 * Packed.uintAt(c, 4), 64));
        id = Packed.uintAt(p.pos + 4 * (index % 16), 4);
        uint256 pos = p.pos;
        bytes32 root;
        (root, p.pos) =
            Trees.openRange(pos, 64, leaf, leaf + 1, depth, Packed.take(pos, 64, p.end), p.end);
        States.same(root, Packed.word(c + 37));
    }

    function _inclusion(Parse memory p, address node, bytes32 digest, uint256 count) private pure {
        uint256 pos = p.pos;
        p.pos = Packed.take(pos, 34, p.end);
        if (count == 0) revert NoEvidence(node, digest);
        bytes32 root;
        (root, p.pos) = Trees.keccakOpen(digest, Packed.uintAt(pos + 32, 2), count, p.pos, p.end);
        if (root != Packed.word(pos)) revert NoEvidence(node, digest);
    }

    function _request(Parse memory p, bytes32 model) private pure returns (bytes32) {
        uint256 b = p.base;
        return Digests.request(
            p.domain,
            Digests.Request({
                kind: 0,
                model: model,
                promptRoot: Packed.word(b + 201),
                promptCount: p.m,
                maxNew: Packed.uintAt(b + 237, 4),
                temperature: Packed.uintAt(b + 241, 4),
                seed: Packed.uintAt(b + 245, 8),
                stopRoot: Packed.word(b + 253),
                stopCount: Packed.uintAt(b + 285, 1),
                extras: p.extras,
                dataClass: Packed.uintAt(b + 286, 1),
                user: _user(p),
                nonce: Packed.uintAt(b + 307, 8),
                price: Packed.uintAt(b + 315, 16)
            })
        );
    }

    function _modelId(uint256 base) private pure returns (bytes32) {
        bytes memory header = new bytes(224);
        assembly ("memory-safe") {
            calldatacopy(add(header, 32), add(base, HEADER), 224)
        }
        return sha256(header);
    }

    /// @dev The state behind the job in the record: what claim, header and evidence fix.
    function _identity(Parse memory p, bytes memory record, bytes32 batch) private pure returns (bytes memory s) {
        uint256 h = p.base + HEADER;
        bytes32 jobHash;
        assembly ("memory-safe") {
            s := add(record, 296)
            jobHash := keccak256(add(record, 32), 296)
        }
        G.putWord(s, G.CASE, keccak256(abi.encodePacked(p.claimId, batch)));
        G.put(s, G.NODE, Packed.uintAt(p.base + 72, 20));
        G.put(s, G.OPENER, Packed.uintAt(p.base, 20));
        G.put(s, G.LAYERS, Packed.uintAt(h + 28, 2));
        G.put(s, G.D_LAYER, Packed.uintAt(h + 31, 1));
        G.put(s, G.D_ROW, Packed.uintAt(h + 32, 1));
        G.putWord(s, G.GRAPH_ROOT, Packed.word(h + 64));
        G.putWord(s, G.JOB_HASH, jobHash);
        if (p.graph) G.setFlag(s, G.GRAPH);
        G.put(s, G.CLASS, Packed.uintAt(h + 33, 1));
    }

    /// @dev What the game is about: one step, a tree to descend, or nothing any more.
    function _target(Parse memory p, Opening memory o, bytes memory s) private view {
        if (p.t == ON_ITS_FACE || p.t == CONTRADICTION) {
            G.put(s, G.PHASE, G.REFUTED);
            return;
        }
        if (p.t == INCLUSION) {
            if (Packed.uintAt(p.base + EVIDENCE, 1) == 1) revert BadStep(p.t, 0);
            G.put(s, G.PHASE, G.INCLUSION);
            G.setFlag(s, G.DEMAND);
            G.putWord(s, G.GRAPH_ROOT, p.digest);
            return;
        }
        if (p.t == PUBLICATION || p.t == DELIVERY) {
            _data(p, s);
            return;
        }
        G.put(s, G.PHASE, G.REVEAL);
        if (p.graph) {
            if (p.t != 0) revert BadStep(p.t, 1);
            o.work = 1;
            return;
        }
        uint256 count = p.m + p.n - 1;
        if (p.t < count) {
            G.put(s, G.T, p.t);
            o.work = p.m + p.t;
            return;
        }
        o.work = p.m + p.n;
        if (p.t == ANY_OUTPUTS) {
            _descend(s, G.OUTPUTS, 4 * p.n, 64, 3, Packed.word(p.base + 129));
        } else if (p.t != ANY_STATES) {
            revert BadStep(p.t, count);
        } else if (count > 1) {
            _descend(s, G.STATES, 32 * count, 32, 0, Packed.word(p.base + 97));
        }
    }

    /// @dev The ids of a claim and the lists of its request, or a graph model's input and output, are asked for: those of a
    /// public one by anybody, in the clear; those of its parties by the request's user, encrypted to his key (SPEC 08 §4.12).
    function _data(Parse memory p, bytes memory s) private view {
        bool secret = p.t == DELIVERY;
        uint256 class = Packed.uintAt(p.base + 286, 1);
        if (class != (secret ? 1 : 0)) revert BadStep(p.t, class);
        if (secret) {
            uint256 opener = Packed.uintAt(p.base, 20);
            if (opener != Packed.uintAt(p.base + 287, 20)) revert BadStep(p.t, opener);
            (uint256 x, uint256 y) = Sealing.point(p.key);
            if (Sealing.addressOf(x, y) != address(uint160(opener))) revert Sealing.BadPoint(x);
            G.put(s, G.ELEMENT_TYPE, 1);
            G.put(s, G.KV_ROOT, x);
            G.put(s, G.BOUNDARY_ROOT, y);
        }
        G.put(s, G.PHASE, G.PUBLICATION);
        G.setFlag(s, G.DEMAND | G.DESCENDED);
        if (p.graph) {
            _ends(p, s);
            return;
        }
        uint256 pieces = Pieces.count(secret, p.m, Packed.uintAt(p.base + 285, 1), p.n);
        bytes32 lists = Packed.word(p.base + SETTINGS + 28);
        if (lists != 0) pieces += _lists(p, s, lists);
        G.put(s, G.TOTAL, pieces);
    }

    /// @dev How many pieces the lists of a request are. The state keeps their root and size where games about steps have
    /// tensors and ids.
    function _lists(Parse memory p, bytes memory s, bytes32 lists) private pure returns (uint256) {
        States.same(Digests.lists(p.sizes), lists);
        uint256 total = Packed.uintAt(p.sizes + 128, 4);
        G.putWord(s, G.LIST_ROOT, Packed.word(p.sizes + 96));
        G.put(s, G.Y_PREV, total);
        return Pieces.ofBytes(total);
    }

    /// @dev How many bytes a graph model's input and output have, which their descriptors say; the last stage's first
    /// descriptor says how many tensors that has. The state keeps the numbers where games about steps have ids.
    function _ends(Parse memory p, bytes memory s) private view {
        uint256 last = G.get(s, G.LAYERS) - 1;
        (uint256 input, uint256 pos,) = _size(s, 0, 0, p.sizes, p.end);
        uint256 tensors;
        (, pos, tensors) = _size(s, last, 0, pos, p.end);
        if (tensors == 0 || tensors > 128) revert BadStep(p.t, tensors);
        (uint256 output,,) = _size(s, last, tensors - 1, pos, p.end);
        G.put(s, G.STAGE, 0);
        G.put(s, G.Y_PREV, input);
        G.put(s, G.Y, output);
        G.put(s, G.TOTAL, Pieces.ofBytes(input) + Pieces.ofBytes(output));
    }

    /// @dev Bytes of a tensor whose descriptor and path stand at `pos`, and its first parameter.
    function _size(bytes memory s, uint256 stage, uint256 tensor, uint256 pos, uint256 end)
        private
        view
        returns (uint256 total, uint256 next, uint256 first)
    {
        G.put(s, G.STAGE, stage);
        next = Graph.openDescriptor(s, tensor, pos, end);
        bytes calldata d;
        assembly ("memory-safe") {
            d.offset := pos
            d.length := 192
        }
        uint256 leafBytes;
        (total, leafBytes) = Graph.geometry(d, 0);
        if (leafBytes != 64 || total > type(uint32).max) {
            revert Graph.BadTarget(leafBytes, Descriptors.elementType(d), total);
        }
        first = uint256(Descriptors.param(d, 0));
    }

    function _descend(bytes memory s, uint8 phase, uint256 total, uint256 leafBytes, uint256 kind, bytes32 root)
        private
        pure
    {
        G.put(s, G.PHASE, phase);
        G.put(s, G.TOTAL, total);
        G.put(s, G.LEAF_BYTES, leafBytes);
        G.put(s, G.ELEMENT_TYPE, kind);
        G.put(s, G.LEVEL, Trees.depth(total, leafBytes));
        G.putWord(s, G.SUBTREE, root);
    }

    /// @dev The 296 bytes of SPEC 08 §1, copied from the payload where it has the same run of fields, and room for the
    /// state behind them.
    function _job(Parse memory p, bytes32 model) private pure returns (bytes memory record) {
        record = new bytes(Job.SIZE + G.SIZE);
        uint256 base = p.base;
        // The prompt of a request that is not public is salted (SPEC 06 §3.8).
        uint256 salted = !p.graph && Packed.uintAt(base + 286, 1) != 0 ? 128 : 0;
        assembly ("memory-safe") {
            let j := add(record, 32)
            let header := add(base, HEADER)
            mstore(j, model)
            calldatacopy(add(j, 32), add(base, 201), 32) // promptRoot
            calldatacopy(add(j, 64), add(base, 253), 32) // stopRoot
            calldatacopy(add(j, 96), add(base, 97), 64) // stateRoot, outputRoot
            calldatacopy(add(j, 160), add(base, 245), 8) // seed
            calldatacopy(add(j, 168), add(base, 233), 4) // m
            calldatacopy(add(j, 172), add(base, 92), 4) // n
            calldatacopy(add(j, 176), add(base, 237), 8) // maxNew, temperature
            calldatacopy(add(j, 184), add(header, 20), 10) // V, tMax, L
            mstore8(add(j, 194), or(byte(19, calldataload(header)), salted)) // kind
            calldatacopy(add(j, 195), add(base, 96), 1) // finish
            calldatacopy(add(j, 196), add(base, 285), 1) // stopCount
            calldatacopy(add(j, 197), add(header, 30), 3) // dPos, dLayer, dRow
            calldatacopy(add(j, 200), add(base, 287), 20) // user
            calldatacopy(add(j, 220), add(base, 315), 76) // price, settings, lists
        }
    }
}
