// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAudits} from "./interfaces/IAudits.sol";
import {IBeacon} from "./interfaces/IBeacon.sol";
import {IOpenRules} from "./interfaces/IRules.sol";
import {DisputeArena} from "./DisputeArena.sol";
import {Seats} from "./Seats.sol";
import {Packed} from "./libraries/Packed.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title Draws, commits, reveals and pay of audits; see IAudits
contract Audits is Seats {
    uint256 private constant PLACES = 2;
    /// @dev Status of a place: the lowest byte of its slot. The others are of the hash of the commit, or of the case.
    uint256 private constant COMMITTED = 16;
    uint256 private constant TRUE = 1;
    uint256 private constant FALSE = 2;
    uint256 private constant ABSTAIN = 3;
    uint256 private constant PAID = 4;
    uint256 private constant DONE = 5;
    uint256 private constant STATUS = 255;
    /// @dev Offsets in a payload of open (SPEC 08 §7.2).
    uint256 private constant FIELDS = 615;
    uint256 private constant HEADER = 391;
    uint256 private constant GRAPH = 2; // kind in a header
    uint256 private constant CANCELLED = 5; // finish code of a claim whose opening ends with its user's signature

    DisputeArena public immutable ARENA;
    IBeacon public immutable BEACON;
    IOpenRules public immutable OPEN_RULES;
    uint256 public immutable GENESIS;
    uint256 public immutable PERIOD;
    uint256 public immutable WINDOW;
    uint256 public immutable DELAY;
    uint256 public immutable COMMIT_TIME;
    uint256 public immutable REVEAL_TIME;
    uint256 public immutable GAME_TIME;
    uint256 public immutable EVERY;
    uint256 public immutable FEE;
    uint256 public immutable REWARD;

    /// @dev By key of the batch: posted 40 bits, until 40, count 16, drawn 16.
    mapping(bytes32 batch => uint256) private _entered;
    /// @notice By audit: 0, a commit or a case with the status in the lowest byte.
    mapping(bytes32 audit => uint256) public places;

    struct Batch {
        bytes32 key;
        uint256 posted;
        uint256 until;
        uint256 count;
        uint256 drawn;
    }

    constructor(address arena, address beacon, Params memory p)
        Seats(address(DisputeArena(arena).TOKEN()), p.deposit, p.forfeit, p.unbonding)
    {
        (ARENA, BEACON) = (DisputeArena(arena), IBeacon(beacon));
        OPEN_RULES = ARENA.OPEN_RULES();
        WINDOW = ARENA.WINDOW();
        GENESIS = BEACON.timeOf(1);
        PERIOD = BEACON.timeOf(2) - GENESIS;
        if (p.delay == 0 || p.commitTime == 0 || p.revealTime == 0) revert BadParameter("delay", p.delay);
        // Who said "false" has the time of a whole game, and a deposit stays until games about it are over.
        if (p.gameTime < 41 * (ARENA.REPLY_TIME() + ARENA.GRACE())) revert BadParameter("gameTime", p.gameTime);
        uint256 longest = p.delay + p.commitTime + p.revealTime + 2 * PERIOD + 2 * WINDOW + p.gameTime;
        if (p.unbonding < longest) revert BadParameter("unbonding", p.unbonding);
        if (p.every == 0) revert BadParameter("every", p.every);
        if (p.fee == 0) revert BadParameter("fee", p.fee);
        (DELAY, COMMIT_TIME, REVEAL_TIME, GAME_TIME) = (p.delay, p.commitTime, p.revealTime, p.gameTime);
        (EVERY, FEE, REWARD) = (p.every, p.fee, p.reward);
    }

    // ---- batches

    /// @inheritdoc IAudits
    function enter(address node, bytes32 root) external {
        bytes32 key = keccak256(abi.encodePacked(node, root));
        (uint256 count, uint256 until, uint256 posted,) = ARENA.batches(key);
        if (count == 0 || _entered[key] != 0 || until + GAME_TIME > posted + UNBONDING) revert BadBatch(key);
        (, uint256 commitBy,,) = _times(posted);
        if (block.timestamp > commitBy) revert OutOfTime(block.timestamp, posted, commitBy);
        uint256 price = PLACES * (FEE + REWARD);
        uint256 drawn = (count + EVERY - 1) / EVERY;
        if (drawn > fees[node] / price) drawn = fees[node] / price;
        if (drawn == 0) revert Unfunded(node, fees[node]);
        fees[node] -= drawn * price;
        _entered[key] = posted | (until << 40) | (count << 80) | (drawn << 96);
        emit Entered(node, root, drawn);
    }

    /// @inheritdoc IAudits
    function timesOf(address node, bytes32 root)
        external
        view
        returns (uint256 round, uint256 commitBy, uint256 opening, uint256 revealBy)
    {
        return _times(_batch(node, root).posted);
    }

    /// @inheritdoc IAudits
    function drawOf(address node, bytes32 root, uint256 draw, uint256 place)
        external
        view
        returns (uint256 index, uint256 seat, address auditor)
    {
        return _draw(_batch(node, root), node, draw, place);
    }

    function _batch(address node, bytes32 root) private view returns (Batch memory b) {
        b.key = keccak256(abi.encodePacked(node, root));
        uint256 slot = _entered[b.key];
        if (slot == 0) revert BadBatch(b.key);
        (b.posted, b.until, b.count, b.drawn) = (uint40(slot), uint40(slot >> 40), uint16(slot >> 80), uint16(slot >> 96));
    }

    /// @dev The first round due DELAY after the posting draws; the first one due after the commits opens.
    function _times(uint256 posted)
        private
        view
        returns (uint256 round, uint256 commitBy, uint256 opening, uint256 revealBy)
    {
        round = _roundAt(posted + DELAY);
        commitBy = _timeOf(round) + COMMIT_TIME;
        opening = _roundAt(commitBy + 1);
        revealBy = _timeOf(opening) + REVEAL_TIME;
    }

    function _roundAt(uint256 time) private view returns (uint256) {
        return time <= GENESIS ? 1 : (time - GENESIS + PERIOD - 1) / PERIOD + 1;
    }

    function _timeOf(uint256 round) private view returns (uint256) {
        return GENESIS + (round - 1) * PERIOD;
    }

    /// @dev Claim, seat and holder of a place (SPEC 11 §3). The holder is 0 where nobody is to audit.
    function _draw(Batch memory b, address node, uint256 draw, uint256 place)
        private
        view
        returns (uint256 index, uint256 seat, address auditor)
    {
        if (draw >= b.drawn || place >= PLACES) revert NotDrawn(draw, place);
        (uint256 round,,,) = _times(b.posted);
        (bytes32 random,) = BEACON.seedOf(round);
        if (random == 0) return (0, 0, address(0));
        bytes32 seed = keccak256(abi.encodePacked(random, b.key, uint16(draw)));
        index = uint256(seed) % b.count;
        uint256 size = _before(b.posted);
        if (size <= place) return (index, 0, address(0));
        seat = uint256(keccak256(abi.encodePacked(seed, uint8(0)))) % size;
        if (place == 1) seat = (seat + 1 + uint256(keccak256(abi.encodePacked(seed, uint8(1)))) % (size - 1)) % size;
        auditor = _holder(seat, b.posted);
        if (auditor == node) auditor = address(0);
    }

    function _auditOf(bytes32 batch, uint256 draw, uint256 place) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(batch, uint16(draw), uint8(place)));
    }

    // ---- audits

    /// @inheritdoc IAudits
    function commit(address node, bytes32 root, uint256 draw, uint256 place, bytes32 hash) external {
        Batch memory b = _batch(node, root);
        (,, address auditor) = _draw(b, node, draw, place);
        if (auditor != msg.sender) revert NotDrawn(draw, place);
        (, uint256 commitBy,,) = _times(b.posted);
        if (block.timestamp > commitBy) revert OutOfTime(block.timestamp, b.posted, commitBy);
        bytes32 audit = _auditOf(b.key, draw, place);
        if (places[audit] != 0) revert BadStatus(places[audit] & STATUS);
        places[audit] = (uint256(hash) & ~STATUS) | COMMITTED;
        emit AuditCommitted(audit, msg.sender);
    }

    /// @inheritdoc IAudits
    function reveal(
        address node,
        bytes32 root,
        uint256 draw,
        uint256 place,
        uint8 verdict,
        bytes32 saltedRoot,
        bytes32 nonce,
        bytes calldata open,
        bytes calldata proof
    ) external {
        Batch memory b = _batch(node, root);
        bytes32 audit = _auditOf(b.key, draw, place);
        bytes32 random = _committed(b, audit, verdict, saltedRoot, nonce);
        bytes32 caseId;
        bytes calldata signature = proof[0:0];
        if (verdict == ABSTAIN) {
            if (open.length + proof.length != 0) revert Packed.PayloadLength(0, open.length + proof.length);
        } else {
            (uint256 index,,) = _draw(b, node, draw, place);
            bytes32 claimId = _claimed(b, node, root, index, open);
            if (verdict == FALSE) {
                if (proof.length != 0) revert Packed.PayloadLength(0, proof.length);
                caseId = keccak256(abi.encodePacked(claimId, b.key));
            } else {
                signature = proof[:65];
                caseId = keccak256(abi.encodePacked(_attested(b, open, signature), bytes32(0)));
                _executed(audit, random, saltedRoot, open, proof);
            }
        }
        places[audit] = _named(caseId, verdict);
        emit Revealed(audit, msg.sender, node, root, draw, verdict, caseId, signature);
    }

    /// @dev The reveal is in time and what the sender committed to. Returns the seed of the second round.
    function _committed(Batch memory b, bytes32 audit, uint8 verdict, bytes32 saltedRoot, bytes32 nonce)
        private
        view
        returns (bytes32 random)
    {
        (, uint256 commitBy, uint256 opening, uint256 revealBy) = _times(b.posted);
        (random,) = BEACON.seedOf(opening);
        if (random == 0 || block.timestamp > revealBy) revert OutOfTime(block.timestamp, commitBy, revealBy);
        uint256 slot = places[audit];
        if (slot & STATUS != COMMITTED) revert BadStatus(slot & STATUS);
        bytes32 got = keccak256(abi.encodePacked(msg.sender, audit, verdict, saltedRoot, nonce));
        bool known = verdict == TRUE || verdict == FALSE || verdict == ABSTAIN;
        if (!known || (uint256(got) ^ slot) & ~STATUS != 0) revert WrongReveal(got);
    }

    /// @dev The id of the claim that was drawn, shown by its place in the batch.
    function _claimed(Batch memory b, address node, bytes32 root, uint256 index, bytes calldata open)
        private
        view
        returns (bytes32)
    {
        (uint256 pos, uint256 end) = Packed.bounds(open);
        Packed.take(pos, FIELDS + 35, end);
        bool named = Packed.uintAt(pos + 72, 20) == uint160(node) && Packed.uintAt(pos + FIELDS, 1) == 1
            && Packed.word(pos + FIELDS + 1) == root;
        uint256 got = Packed.uintAt(pos + FIELDS + 33, 2);
        if (!named || got != index) revert WrongClaim(got, index);
        return OPEN_RULES.open(ARENA.domainSeparator(), b.key, b.count, open).claimId;
    }

    /// @dev The id of the attestation: the auditor's own claim of the same, worth nothing, in no batch, open to challenge for a
    /// window after the last reveal (SPEC 11 §4.3).
    function _attested(Batch memory b, bytes calldata open, bytes calldata signature) private view returns (bytes32) {
        (,,, uint256 revealBy) = _times(b.posted);
        bytes memory fields = abi.encodePacked(
            open[:72], msg.sender, open[92:161], uint128(0), uint64(b.posted), type(uint64).max, uint64(revealBy + WINDOW)
        );
        bytes calldata cancel = uint8(open[96]) == CANCELLED ? open[open.length - 65:] : open[:0];
        bytes memory payload = abi.encodePacked(fields, open[201:FIELDS], uint8(0), signature, cancel);
        return OPEN_RULES.open(ARENA.domainSeparator(), 0, 0, payload).claimId;
    }

    /// @dev The drawn leaf of the rows behind the claim's last state is in that state, and salted in the auditor's tree.
    function _executed(bytes32 audit, bytes32 random, bytes32 saltedRoot, bytes calldata open, bytes calldata proof)
        private
        view
    {
        (uint256 o,) = Packed.bounds(open);
        (uint256 pos, uint256 end) = Packed.bounds(proof);
        random = keccak256(abi.encodePacked(random, audit));
        if (Packed.uintAt(o + HEADER + 18, 2) == GRAPH) return _ran(audit, uint256(random), saltedRoot, o, pos + 65, end);
        uint256 states = Packed.uintAt(o + 233, 4) + Packed.uintAt(o + 92, 4) - 1;
        pos += 65;
        bytes32 kv = Packed.word(pos + 5);
        pos = _lastState(pos, end, states, Packed.word(o + 97));
        (uint256 index, uint256 depth) = _leafOf(random, o + HEADER, states);
        uint256 present = Packed.uintAt(pos, 1);
        // Of a confidential model the leaf's hash is shown, and salted, in place of its bytes (SPEC 11 §4.2).
        uint256 size = Packed.uintAt(o + HEADER + 33, 1) == 0 ? 512 : 32;
        uint256 next = Packed.take(pos, 1 + (present == 0 ? 0 : size), end);
        bytes32 leaf;
        bytes32 salted;
        if (present != 0) {
            bytes calldata row = _slice(pos + 1, size);
            leaf = size == 32 ? Packed.word(pos + 1) : sha256(abi.encodePacked(uint8(0), row));
            salted = sha256(abi.encodePacked(uint8(4), msg.sender, audit, row));
        }
        bytes32 got;
        (got, next) = Trees.openNode(leaf, 0, index, depth, next, end);
        if (got != kv) revert WrongRoot(got, kv);
        (got, next) = Trees.openNode(salted, 0, index, depth, next, end);
        if (got != saltedRoot) revert WrongRoot(got, saltedRoot);
        Packed.done(next, end);
    }

    /// @dev The drawn leaf of a stage's output leads to the boundaries of the claim on a graph model, and is salted in the
    /// auditor's tree. Where the output has no leaf of the drawn number, that is shown, and the leaf half the tree before it
    /// opened (SPEC 11 §4.4).
    function _ran(bytes32 audit, uint256 d, bytes32 saltedRoot, uint256 o, uint256 pos, uint256 end) private view {
        uint256 stages = Packed.uintAt(o + HEADER + 28, 2);
        if (stages == 1) revert NothingHidden();
        uint256 stage = (d >> 192) % (stages - 1);
        uint256 levels = Packed.uintAt(pos, 1);
        uint256 there = Packed.uintAt(pos + 1, 1);
        uint256 leaf = Packed.take(pos, 2, end);
        if (levels > 32 || there > 1 || levels + there == 0) revert Trees.RangeOutside(there, 2, levels);
        uint256 index = uint64(d) & ((1 << levels) - 1);
        uint256 next = Packed.take(leaf, 64, end);
        bytes32 boundary;
        if (there == 0) {
            (boundary, next) = Trees.openNode(0, 0, index, levels, next, end);
            index &= (1 << (levels - 1)) - 1;
        }
        bytes32 got;
        (got, next) = Trees.openNode(Trees.leaf(leaf, 64), 0, index, levels, next, end);
        if (there == 0 && got != boundary) revert WrongRoot(got, boundary);
        (got, next) = Trees.openNode(got, 0, stage + 1, Trees.depthOf(stages + 1), next, end);
        if (got != Packed.word(o + 97)) revert WrongRoot(got, Packed.word(o + 97));
        got = sha256(abi.encodePacked(uint8(4), msg.sender, audit, _slice(leaf, 64)));
        index |= stage << levels;
        (got, next) = Trees.openNode(got, 0, index, levels + Trees.depthOf(stages - 1), next, end);
        if (got != saltedRoot) revert WrongRoot(got, saltedRoot);
        Packed.done(next, end);
    }

    /// @dev The last state is a leaf of the claim's states (SPEC 06 §3.1).
    function _lastState(uint256 pos, uint256 end, uint256 states, bytes32 root) private view returns (uint256 next) {
        next = Packed.take(pos, 101, end);
        bytes calldata tail = _slice(pos, 101);
        bytes32 hash = sha256(abi.encodePacked(uint8(2), uint32(states), tail));
        bytes32 got;
        (got, next) = Trees.openNode(hash, 0, states - 1, Trees.depthOf(states), next, end);
        if (got != root) revert WrongRoot(got, root);
    }

    /// @dev Which leaf of the KV tree is drawn: position, layer, K or V, piece of the row (SPEC 11 §4.2).
    function _leafOf(bytes32 random, uint256 header, uint256 states) private pure returns (uint256 index, uint256 depth) {
        uint256 d = uint256(random);
        uint256 dLayer = Packed.uintAt(header + 31, 1);
        uint256 dRow = Packed.uintAt(header + 32, 1);
        uint256 layer = uint64(d >> 128) % Packed.uintAt(header + 28, 2);
        index = ((d >> 192) % states) << dLayer;
        index = ((index | layer) << 1) | (uint64(d >> 64) & 1);
        index = (index << dRow) | (uint64(d) & ((1 << dRow) - 1));
        depth = Packed.uintAt(header + 30, 1) + dLayer + 1 + dRow;
    }

    /// @dev The slot of a place that was revealed.
    function _named(bytes32 caseId, uint256 status) private pure returns (uint256) {
        return (uint256(keccak256(abi.encodePacked(caseId))) & ~STATUS) | status;
    }

    function _slice(uint256 pos, uint256 size) private pure returns (bytes calldata data) {
        assembly ("memory-safe") {
            data.offset := pos
            data.length := size
        }
    }

    // ---- pay

    /// @inheritdoc IAudits
    function close(address node, bytes32 root, uint256 draw, uint256 place, bytes32 caseId, bytes calldata held) external {
        Batch memory b = _batch(node, root);
        bytes32 audit = _auditOf(b.key, draw, place);
        (, uint256 seat, address auditor) = _draw(b, node, draw, place);
        uint256 status = places[audit] & STATUS;
        if (status == TRUE || status == FALSE || status == PAID) {
            if (places[audit] != _named(caseId, status)) revert WrongReveal(caseId);
        }
        if (status == 0 || status == COMMITTED) _missed(b, node, audit, seat, auditor);
        else if (status == TRUE || status == PAID) _trueSaid(b, node, audit, seat, auditor, caseId, held);
        else if (status == FALSE) _falseSaid(b, node, audit, auditor, caseId);
        else if (status == ABSTAIN) _finish(node, audit, auditor, 0, 0);
        else revert BadStatus(status);
    }

    /// @dev Nothing was revealed: the holder forfeits, unless the beacon was late or nobody was to audit.
    function _missed(Batch memory b, address node, bytes32 audit, uint256 seat, address auditor) private {
        (uint256 round, uint256 commitBy, uint256 opening, uint256 revealBy) = _times(b.posted);
        if (block.timestamp <= revealBy) revert OutOfTime(block.timestamp, revealBy, type(uint256).max);
        uint256 taken;
        if (auditor != address(0) && _onTime(round, commitBy) && _onTime(opening, revealBy)) taken = _seize(seat, FORFEIT);
        _finish(node, audit, auditor, 0, taken);
    }

    /// @dev A round left at least half of the time to the deadline that it begins.
    function _onTime(uint256 round, uint256 deadline) private view returns (bool) {
        (, uint256 postedAt) = BEACON.seedOf(round);
        uint256 due = _timeOf(round);
        return postedAt != 0 && postedAt <= due + (deadline - due) / 2;
    }

    /// @dev "True" is paid once its attestation can be challenged no more; a refuted one costs the deposit, whenever.
    function _trueSaid(
        Batch memory b,
        address node,
        bytes32 audit,
        uint256 seat,
        address auditor,
        bytes32 caseId,
        bytes calldata held
    ) private {
        uint256 status = places[audit] & STATUS;
        (, bool refuted, bytes32 holds) = ARENA.verdicts(caseId);
        if (refuted) {
            address winner = _winner(holds, held);
            uint256 taken = auditor == address(0) ? 0 : _seize(seat, DEPOSIT);
            uint256 bounty = winner == address(0) ? 0 : taken / 2;
            credits[winner] += bounty;
            burned += taken - bounty;
            if (status == TRUE) fees[node] += FEE + REWARD;
            places[audit] = DONE;
            emit Closed(audit, auditor, 0, taken - bounty, winner, bounty);
            return;
        }
        (,,, uint256 revealBy) = _times(b.posted);
        uint256 ends = revealBy + WINDOW + WINDOW / 2;
        if (status == PAID || block.timestamp <= ends) revert OutOfTime(block.timestamp, ends, type(uint256).max);
        _finish(node, audit, auditor, FEE, 0);
        places[audit] = _named(caseId, PAID);
    }

    /// @dev Whom the arena holds the reward for: the first 20 of the bytes whose hash the verdict keeps.
    function _winner(bytes32 holds, bytes calldata held) private pure returns (address) {
        if (held.length < 20 || (keccak256(held) ^ holds) & ~bytes32(uint256(3)) != 0) return address(0);
        return address(bytes20(held[:20]));
    }

    /// @dev "False" is paid, with the reward, once the claim is refuted; else nothing is, after the time of a game.
    function _falseSaid(Batch memory b, address node, bytes32 audit, address auditor, bytes32 caseId) private {
        (, bool refuted,) = ARENA.verdicts(caseId);
        if (!refuted) {
            uint256 ends = b.until + WINDOW / 2 + GAME_TIME;
            if (block.timestamp <= ends) revert OutOfTime(block.timestamp, ends, type(uint256).max);
            _finish(node, audit, auditor, 0, 0);
            return;
        }
        // A plant that was shown before the commits ended was no find.
        uint256 shown = ARENA.REGISTRY().shownAt(address(ARENA), caseId);
        (, uint256 commitBy,,) = _times(b.posted);
        _finish(node, audit, auditor, shown != 0 && shown <= commitBy ? FEE : FEE + REWARD, 0);
    }

    /// @dev Pays the auditor out of what the place locks and gives the rest back to the node.
    function _finish(address node, bytes32 audit, address auditor, uint256 paid, uint256 burnt) private {
        if (auditor == address(0)) paid = 0;
        credits[auditor] += paid;
        fees[node] += FEE + REWARD - paid;
        burned += burnt;
        places[audit] = DONE;
        emit Closed(audit, auditor, paid, burnt, address(0), 0);
    }
}
