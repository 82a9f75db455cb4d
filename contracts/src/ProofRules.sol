// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnswerBase} from "./AnswerBase.sol";
import {IPoseidon} from "./interfaces/IPoseidon.sol";
import {IProofVerifier} from "./interfaces/IProofVerifier.sol";
import {IProofRules} from "./interfaces/IRules.sol";
import {Read} from "./interfaces/IStepVerifier.sol";
import {Descriptors} from "./libraries/Descriptors.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Packed} from "./libraries/Packed.sol";
import {Shapes} from "./libraries/Shapes.sol";
import {States} from "./libraries/States.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title Move 13, answer, about a confidential model: a proof, and no leaf of the model (SPEC 08 §7.11, 10 §6)
/// @notice Shape, reads and hashes of leaves are computed here from descriptor, state and openings; the prover only says
/// whether the claimed element is the value, and for whom the proof was made.
contract ProofRules is AnswerBase, IProofRules {
    /// @dev Numerics version whose keys are used.
    uint16 private constant VERSION = 1;
    /// @dev "zk/" and the digit of a proof system begin what a proof needs, so that an answer that shows leaves is
    /// refused by its name.
    uint256 private constant MARK = 0x7a6b2f;
    uint256 private constant DIGITS = 0x30;
    /// @dev Most bytes of data that an operation reads (SPEC 03 §4).
    uint256 private constant MAX_DATA = 6144;
    /// @dev Most indices that an operation follows (SPEC 10 §1.3).
    uint256 private constant MAX_PLACES = 3;
    /// @dev Bytes of a place: its position in the data, its value.
    uint256 private constant PLACE = 10;

    /// @notice Hashes leaves that are shown: those of lists of ids.
    IPoseidon public immutable POSEIDON;

    constructor(address steps, address poseidon) AnswerBase(steps) {
        POSEIDON = IPoseidon(poseidon);
    }

    /// @notice Judges a proof; see IAnswer.
    function answer(bytes calldata state, bytes calldata payload) external view returns (bytes memory s) {
        s = state;
        if (G.get(s, G.PHASE) != G.ANSWER) revert G.WrongPhase(13, uint8(G.get(s, G.PHASE)));
        Parse memory p = _parse(s, payload);
        bool equal = true;
        if (p.index < p.total / p.size) equal = _prove(s, p, keccak256(state));
        Packed.done(p.pos, p.end);
        if (equal) _proven(s, p);
        else G.put(s, G.PHASE, G.REFUTED);
    }

    /// @dev What a true element leads to: in a withheld leaf to the elements behind it, else to the end (SPEC 08 §4.11).
    function _proven(bytes memory s, Parse memory p) private pure {
        uint256 perLeaf = p.leafBytes / p.size;
        uint256 next = p.index + 1;
        if (!G.flag(s, G.DESCENDED) || next % perLeaf == 0 || next >= p.total / p.size) {
            G.put(s, G.PHASE, G.LOST);
            return;
        }
        G.clearFlag(s, G.DESCENDED);
        G.put(s, G.LEVEL, next % perLeaf);
        G.put(s, G.INDEX, p.index / perLeaf);
        G.put(s, G.PHASE, G.ELEMENT_PICK);
    }

    /// @dev Whether the claimed element is the value, as the proof shows. `slot` is what the game's slot holds.
    function _prove(bytes memory s, Parse memory p, bytes32 slot) private view returns (bool equal) {
        uint256 mark = p.pos;
        p.pos = Packed.take(mark, 25, p.end);
        if (Packed.uintAt(mark, 3) != MARK) revert ProofWanted();
        IProofVerifier verifier = _system(Packed.uintAt(mark + 3, 1));
        uint256 flag = Packed.uintAt(mark + 24, 1);
        if (flag > 1) revert BadFlag(flag);
        equal = flag == 1;
        _recall(s, p);
        bytes32 target = _leaf(s, p);
        (bytes32 shape, Read[] memory reads) = _unit(s, p);
        bytes32[] memory leaves = new bytes32[](1 + _count(reads));
        leaves[0] = target;
        uint256 n = 1;
        for (uint256 i = 0; i < reads.length; ++i) {
            n = _hashes(s, p, reads[i], leaves, n);
        }
        uint256 proof = Packed.take(p.pos, 2, p.end);
        uint256 length = Packed.uintAt(p.pos, 2);
        p.pos = Packed.take(proof, length, p.end);
        IProofVerifier.Statement memory about = IProofVerifier.Statement(
            slot,
            uint8(Packed.uintAt(p.descriptor, 1)),
            uint64(p.index),
            address(uint160(Packed.uintAt(mark + 4, 20))),
            equal
        );
        verifier.verify(VERSION, shape, about, leaves, _slice(proof, length));
    }

    /// @dev The verifier of the proof system that a digit names.
    function _system(uint256 digit) private view returns (IProofVerifier) {
        if (digit <= DIGITS || digit > DIGITS + 9) revert ProofWanted();
        return STEPS.proofsAt(VERSION, uint8(digit - DIGITS));
    }

    /// @dev Hash of the target's leaf that holds the element.
    function _leaf(bytes memory s, Parse memory p) private view returns (bytes32 hash) {
        if (G.flag(s, G.DESCENDED)) return G.word(s, G.SUBTREE);
        bytes32 target = _listed(s, p, G.get(s, G.TENSOR));
        hash = Packed.word(p.pos);
        uint256 siblings = Packed.take(p.pos, 32, p.end);
        bytes32 root;
        (root, p.pos) =
            Trees.openNode(hash, 0, p.index / (p.leafBytes / p.size), Trees.depth(p.total, p.leafBytes), siblings, p.end);
        States.same(root, target);
    }

    /// @dev The unit of the picked element, with size of data and places as the payload names them.
    function _unit(bytes memory s, Parse memory p) private view returns (bytes32 shape, Read[] memory reads) {
        uint256 size = Packed.uintAt(p.pos, 4);
        uint256 count = Packed.uintAt(p.pos + 4, 1);
        uint256 places = Packed.take(p.pos, 5, p.end);
        p.pos = Packed.take(places, PLACE * count, p.end);
        return unit(_slice(p.descriptor, 192), _context(s, p), uint64(p.index), size, _slice(places, PLACE * count));
    }

    /// @inheritdoc IProofRules
    function unit(bytes calldata d, bytes memory context, uint64 index, uint256 size, bytes calldata places)
        public
        view
        returns (bytes32 shape, Read[] memory reads)
    {
        if (size > MAX_DATA || places.length > PLACE * MAX_PLACES) revert Packed.PayloadLength(size, MAX_DATA);
        (bytes memory data, bytes memory named) = _data(size, places);
        (, reads) = STEPS.verifierOf(Descriptors.op(d)).evaluate(d, context, index, data);
        _placed(places, reads);
        (uint256 a, uint256 b, uint256 c) = Descriptors.dims(d, Shapes.time(context));
        shape = Shapes.shapeOf(d, context, index, a * b * c, reads, named);
    }

    /// @dev Data that are zero but for the places, and the places without their positions.
    function _data(uint256 size, bytes calldata places) private pure returns (bytes memory data, bytes memory named) {
        data = new bytes(size);
        for (uint256 i = 0; i < places.length; i += PLACE) {
            uint256 position = uint16(bytes2(places[i:i + 2]));
            uint256 v = uint64(bytes8(places[i + 2:i + PLACE]));
            named = abi.encodePacked(named, uint64(v));
            uint256 width = v >> 32 == 0 ? 4 : 8;
            if (position + width > size) revert BadPlace(position);
            for (uint256 k = 0; k < width; ++k) {
                data[position + k] = bytes1(uint8(v >> (8 * k))); // little-endian
            }
        }
    }

    /// @dev Each place stands where its read begins, and fits into it.
    function _placed(bytes calldata places, Read[] memory reads) private pure {
        uint256 leaves = 0; // bytes of those before
        for (uint256 k = 0; k < places.length / PLACE; ++k) {
            uint256 position = uint16(bytes2(places[k * PLACE:k * PLACE + 2]));
            if (k == reads.length) revert BadPlace(position);
            Read memory r = reads[k];
            bool wide = bytes4(places[k * PLACE + 2:k * PLACE + 6]) != 0;
            if (position != leaves + r.lo % r.leafBytes || (wide && r.hi - r.lo < 8)) revert BadPlace(position);
            leaves += (_end(r) - r.lo / r.leafBytes) * r.leafBytes;
        }
    }

    /// @dev The first leaf behind a read.
    function _end(Read memory r) private pure returns (uint256) {
        return (uint256(r.hi) + r.leafBytes - 1) / r.leafBytes;
    }

    /// @dev Number of leaves that reads cover.
    function _count(Read[] memory reads) private pure returns (uint256 n) {
        for (uint256 i = 0; i < reads.length; ++i) {
            Read memory r = reads[i];
            n += _end(r) - r.lo / r.leafBytes;
        }
    }

    /// @dev Opens the leaves of one read by their hashes, or by their bytes where they are ids of the request.
    function _hashes(bytes memory s, Parse memory p, Read memory r, bytes32[] memory leaves, uint256 n)
        private
        view
        returns (uint256)
    {
        bytes32 want = _source(s, p, r);
        if (r.kind == Descriptors.PROMPT) _spread(p, r);
        uint256 a = r.lo / r.leafBytes;
        uint256 b = _end(r);
        uint256 depth = Trees.depth(r.totalBytes, r.leafBytes);
        uint256 from = p.pos;
        bytes32 root;
        if (r.kind < Descriptors.PROMPT) {
            (root, p.pos) = Trees.openHashes(from, a, b, depth, Packed.take(from, 32 * (b - a), p.end), p.end);
            for (; a < b; ++a) {
                leaves[n++] = Packed.word(from);
                from += 32;
            }
        } else {
            if (r.leafBytes != 64) revert BadRead(r.kind);
            (root, p.pos) = Trees.openRange(from, 64, a, b, depth, Packed.take(from, 64 * (b - a), p.end), p.end);
            for (; a < b; ++a) {
                leaves[n++] = POSEIDON.leaf(Packed.word(from), Packed.word(from + 32));
                from += 64;
            }
        }
        States.same(root, want);
        return n;
    }
}
