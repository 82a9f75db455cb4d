// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOpenRules} from "./interfaces/IRules.sol";
import {IClaimBook} from "./interfaces/IClaimBook.sol";
import {Digests} from "./libraries/Digests.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Packed} from "./libraries/Packed.sol";
import {States} from "./libraries/States.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title Move 2, open; see IOpenRules
contract OpenRules is IOpenRules {
    /// @dev "elenchus/model/1".
    uint256 private constant MAGIC = 0x656c656e636875732f6d6f64656c2f31;
    uint256 private constant HEADER = 331; // offset in the payload
    uint256 private constant EVIDENCE = 555;
    uint256 private constant MAX_HEIGHT = 32;
    uint256 private constant ANY_STATES = type(uint32).max;
    uint256 private constant ANY_OUTPUTS = type(uint32).max - 1;

    IClaimBook public immutable BOOK;

    /// @dev Where the parser stands and what it has found.
    struct Parse {
        uint256 base; // start of the payload in calldata
        uint256 pos;
        uint256 end;
        uint256 t;
        uint256 m;
        uint256 n;
        bool graph;
        bytes32 domain;
        bytes32 claimId;
        bytes32 batch;
        bytes32 first; // S_{-1}
    }

    constructor(address book) {
        BOOK = IClaimBook(book);
    }

    /// @inheritdoc IOpenRules
    function open(bytes32 domain, bytes calldata payload) external view returns (Opening memory o) {
        Parse memory p;
        (p.base, p.end) = Packed.bounds(payload);
        p.pos = Packed.take(p.base, EVIDENCE, p.end);
        p.domain = domain;
        p.t = Packed.uintAt(p.base + 20, 4);
        p.m = Packed.uintAt(p.base + 233, 4);
        p.n = Packed.uintAt(p.base + 92, 4);
        _header(p);
        _claim(p, o);
        if (!p.graph) _firstState(p);
        o.state = new bytes(G.SIZE);
        _identity(p, o.state);
        _target(p, o);
        Packed.done(p.pos, p.end);
        o.job = _job(p);
        G.putWord(o.state, G.JOB_HASH, keccak256(o.job));
        o.key = keccak256(
            abi.encodePacked(
                address(uint160(Packed.uintAt(p.base, 20))), p.claimId, uint32(p.t), Packed.word(p.base + 24)
            )
        );
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
        p.graph = kind == 2;
        uint256 finish = Packed.uintAt(p.base + 96, 1);
        if (p.graph) {
            if (p.n != 0) revert BadClaim("count", p.n);
            if (finish != 0) revert BadClaim("finish", finish);
            if (Packed.word(p.base + 97) != 0) revert BadClaim("stateRoot", uint256(Packed.word(p.base + 97)));
        } else {
            if (p.m == 0) revert BadClaim("promptCount", 0);
            if (p.n == 0) revert BadClaim("count", 0);
            if (finish == 0) revert BadClaim("finish", 0);
        }
    }

    /// @dev Digest and id of the claim, and the evidence that the node made it.
    function _claim(Parse memory p, Opening memory o) private view {
        uint256 b = p.base;
        address node = address(uint160(Packed.uintAt(b + 72, 20)));
        Digests.Claim memory c = Digests.Claim({
            node: node,
            requestDigest: _request(p),
            count: p.n,
            finish: Packed.uintAt(b + 96, 1),
            stateRoot: Packed.word(b + 97),
            outputRoot: Packed.word(b + 129),
            value: Packed.uintAt(b + 161, 16),
            issued: Packed.uintAt(b + 177, 8),
            batchBy: Packed.uintAt(b + 185, 8),
            challengeUntil: Packed.uintAt(b + 193, 8)
        });
        bytes32 digest;
        (digest, p.claimId) = Digests.claim(p.domain, c);
        o.windowEnd = c.challengeUntil;
        uint256 pos = p.pos;
        p.pos = Packed.take(pos, 1, p.end);
        uint256 evidence = Packed.uintAt(pos, 1);
        if (evidence == 0) _signature(p, node, digest);
        else if (evidence == 1) o.windowEnd = _inclusion(p, node, digest, o.windowEnd);
        else revert NoEvidence(node, digest);
    }

    function _signature(Parse memory p, address node, bytes32 digest) private pure {
        uint256 pos = p.pos;
        p.pos = Packed.take(pos, 65, p.end);
        address signer =
            Digests.recover(digest, Packed.word(pos), Packed.word(pos + 32), Packed.uintAt(pos + 64, 1));
        if (signer != node) revert NoEvidence(node, digest);
    }

    function _inclusion(Parse memory p, address node, bytes32 digest, uint256 windowEnd)
        private
        view
        returns (uint256)
    {
        uint256 pos = p.pos;
        p.pos = Packed.take(pos, 34, p.end);
        bytes32 batchRoot = Packed.word(pos);
        p.batch = keccak256(abi.encodePacked(node, batchRoot));
        (uint16 count,,, uint40 until,,) = BOOK.batches(p.batch);
        if (count == 0) revert NoEvidence(node, digest);
        bytes32 root;
        (root, p.pos) = Trees.keccakOpen(digest, Packed.uintAt(pos + 32, 2), count, p.pos, p.end);
        if (root != batchRoot) revert NoEvidence(node, digest);
        return until > windowEnd ? until : windowEnd;
    }

    function _request(Parse memory p) private pure returns (bytes32) {
        uint256 b = p.base;
        return Digests.request(
            p.domain,
            Digests.Request({
                model: _modelId(b),
                promptRoot: Packed.word(b + 201),
                promptCount: p.m,
                maxNew: Packed.uintAt(b + 237, 4),
                temperature: Packed.uintAt(b + 241, 4),
                seed: Packed.uintAt(b + 245, 8),
                stopRoot: Packed.word(b + 253),
                stopCount: Packed.uintAt(b + 285, 1),
                dataClass: Packed.uintAt(b + 286, 1),
                user: address(uint160(Packed.uintAt(b + 287, 20))),
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

    /// @dev S_{-1} from the opening of prompt[0] (SPEC 06 §3.2).
    function _firstState(Parse memory p) private view {
        uint256 leaf = p.pos;
        uint256 siblings = Packed.take(leaf, 64, p.end);
        bytes32 root;
        (root, p.pos) = Trees.openRange(leaf, 64, 0, 1, Trees.depth(4 * p.m, 64), siblings, p.end);
        States.same(root, Packed.word(p.base + 201));
        uint256 h = p.base + HEADER;
        uint256 height =
            Packed.uintAt(h + 30, 1) + Packed.uintAt(h + 31, 1) + 1 + Packed.uintAt(h + 32, 1);
        p.first = States.hash(0, States.id(leaf), 0, Trees.zero(height), 0);
    }

    function _identity(Parse memory p, bytes memory s) private pure {
        uint256 h = p.base + HEADER;
        G.putWord(s, G.CLAIM_ID, p.claimId);
        G.put(s, G.NODE, Packed.uintAt(p.base + 72, 20));
        G.put(s, G.OPENER, Packed.uintAt(p.base, 20));
        G.putWord(s, G.GRAPH_ROOT, Packed.word(h + 64));
        G.put(s, G.LAYERS, Packed.uintAt(h + 28, 2));
        G.put(s, G.D_LAYER, Packed.uintAt(h + 31, 1));
        G.put(s, G.D_ROW, Packed.uintAt(h + 32, 1));
        if (p.graph) G.setFlag(s, G.GRAPH);
    }

    /// @dev What the game is about: one step, or a tree to descend.
    function _target(Parse memory p, Opening memory o) private view {
        bytes memory s = o.state;
        G.put(s, G.PHASE, G.REVEAL);
        if (p.graph) {
            if (p.t != 0) revert BadStep(p.t, 1);
            o.work = 1;
            return;
        }
        uint256 count = p.m + p.n - 1;
        if (p.t == ANY_STATES || p.t == ANY_OUTPUTS) {
            o.work = p.m + p.n;
            if (p.t == ANY_OUTPUTS) {
                _descend(s, G.OUTPUTS, 4 * p.n, 64, 3, Packed.word(p.base + 129));
            } else if (count == 1) {
                G.putWord(s, G.STATE_AFTER, Packed.word(p.base + 97));
            } else {
                _descend(s, G.STATES, 32 * count, 32, 0, Packed.word(p.base + 97));
            }
            return;
        }
        if (p.t >= count) revert BadStep(p.t, count);
        o.work = p.m + p.t;
        _openStates(p, s, count);
    }

    function _descend(bytes memory s, uint8 phase, uint256 total, uint256 leafBytes, uint256 kind, bytes32 root)
        private
        pure
    {
        G.put(s, G.PHASE, phase);
        G.put(s, G.TOTAL, total);
        G.put(s, G.LEAF_BYTES, leafBytes);
        G.put(s, G.ELEMENT_TYPE, kind == 3 ? 3 : 0);
        G.put(s, G.LEVEL, Trees.depth(total, leafBytes));
        G.putWord(s, G.SUBTREE, root);
    }

    function _openStates(Parse memory p, bytes memory s, uint256 count) private view {
        uint256 pos = p.pos;
        bytes32 before = p.first;
        if (p.t != 0) {
            before = Packed.word(pos);
            pos = Packed.take(pos, 32, p.end);
        }
        bytes32 afterwards = Packed.word(pos);
        pos = Packed.take(pos, 32, p.end);
        bytes32 root;
        (root, p.pos) = States.open(before, afterwards, p.t, count, pos, p.end);
        States.same(root, Packed.word(p.base + 97));
        G.put(s, G.T, p.t);
        G.putWord(s, G.STATE_BEFORE, before);
        G.putWord(s, G.STATE_AFTER, afterwards);
    }

    /// @dev The 316 bytes of SPEC 08 §1, copied from the payload where it has the same run of fields.
    function _job(Parse memory p) private pure returns (bytes memory job) {
        job = new bytes(316);
        bytes32 model = _modelId(p.base);
        (uint256 base, bytes32 first, bytes32 batch) = (p.base, p.first, p.batch);
        assembly ("memory-safe") {
            let j := add(job, 32)
            let header := add(base, HEADER)
            mstore(j, model)
            calldatacopy(add(j, 32), add(base, 201), 32) // promptRoot
            calldatacopy(add(j, 64), add(base, 253), 32) // stopRoot
            calldatacopy(add(j, 96), add(base, 97), 64) // stateRoot, outputRoot
            mstore(add(j, 160), first)
            calldatacopy(add(j, 192), add(base, 245), 8) // seed
            calldatacopy(add(j, 200), add(base, 233), 4) // m
            calldatacopy(add(j, 204), add(base, 92), 4) // n
            calldatacopy(add(j, 208), add(base, 237), 8) // maxNew, temperature
            calldatacopy(add(j, 216), add(header, 20), 10) // V, tMax, L
            calldatacopy(add(j, 226), add(header, 19), 1) // kind
            calldatacopy(add(j, 227), add(base, 96), 1) // finish
            calldatacopy(add(j, 228), add(base, 285), 1) // stopCount
            calldatacopy(add(j, 229), add(header, 30), 3) // dPos, dLayer, dRow
            calldatacopy(add(j, 232), add(base, 287), 20) // user
            calldatacopy(add(j, 252), add(base, 315), 16) // price
            calldatacopy(add(j, 268), add(base, 161), 16) // value
            mstore(add(j, 284), batch)
        }
    }
}
