// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeArena} from "./interfaces/IDisputeArena.sol";
import {IAnswerRules, IGameRules, IOpenRules} from "./interfaces/IRules.sol";
import {INodeRegistry} from "./interfaces/INodeRegistry.sol";
import {ClaimBook} from "./ClaimBook.sol";
import {Guarded} from "./Guarded.sol";
import {StakeVault} from "./StakeVault.sol";
import {Verdicts} from "./Verdicts.sol";
import {Digests} from "./libraries/Digests.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Job} from "./libraries/Job.sol";
import {Packed} from "./libraries/Packed.sol";
import {Profiles} from "./libraries/Profiles.sol";

/// @title Clocks and money of the game, with the stakes and batches behind it; see IDisputeArena
contract DisputeArena is Verdicts {
    uint256 private constant MAX_DOUBLINGS = 32;
    /// @dev Gas after the meter is read: slot, event, and for the node's moves the credit.
    uint256 private constant TAIL = 9_000;
    uint256 private constant CREDIT = 3_000;
    uint256 private constant FIRST_CREDIT = 20_100;
    /// @dev What one move of a side takes of the block space at most, under Amsterdam too (SPEC 09 §6.2).
    uint256 private constant MOVE_GAS = 345_000;
    /// @dev What an answer by proof takes at most, by either proof system (SPEC 09 §3.5).
    uint256 private constant PROOF_GAS = 600_000;
    /// @dev Gas of the commit before a game and of the resolve after it, which nobody meters: booked at PRICE_CAP.
    uint256 private constant AROUND = 120_000;
    /// @dev Bytes of calldata beside state and payload at most: selector, head, three lengths, a signature, padding.
    uint256 private constant AROUND_DATA = 420;

    uint256 public immutable PROFILE;
    uint256 public immutable FORCED_INCLUSION;
    uint256 public immutable SPACE_RATE;
    uint256 public immutable GRACE;
    uint256 public immutable RATE;
    uint256 public immutable PRICE_CAP;
    uint256 public immutable TIP_CAP;
    uint256 public immutable TOKEN_PER_ETHER;
    uint256 public immutable WORST_GAS;
    uint256 public immutable WORK_FEE;

    INodeRegistry public immutable REGISTRY;
    IOpenRules public immutable OPEN_RULES;
    IGameRules public immutable GAME_RULES;
    IAnswerRules public immutable ANSWER_RULES;

    /// @param modules Node registry, rules of open, of the game, of the answer.
    constructor(address token, Params memory p, address[4] memory modules)
        StakeVault(token, p.unbonding)
        ClaimBook(p.reserve, p.window)
        Verdicts(p.replyTime, p.rewardDelay, p.refundFactor)
        Guarded(p.guardian)
    {
        Profiles.check(p);
        (PROFILE, FORCED_INCLUSION, SPACE_RATE) = (p.profile, p.forcedInclusion, p.spaceRate);
        (GRACE, RATE) = (p.grace, p.rate);
        (PRICE_CAP, TIP_CAP, TOKEN_PER_ETHER) = (p.priceCap, p.tipCap, p.tokenPerEther);
        (WORST_GAS, WORK_FEE) = (p.worstGas, p.workFee);
        for (uint256 i = 0; i < modules.length; ++i) {
            if (modules[i].code.length == 0) revert BadModule(i);
        }
        REGISTRY = INodeRegistry(modules[0]);
        OPEN_RULES = IOpenRules(modules[1]);
        GAME_RULES = IGameRules(modules[2]);
        ANSWER_RULES = IAnswerRules(modules[3]);
    }

    // ---- opening

    /// @inheritdoc IDisputeArena
    function commit(bytes32 key) external {
        if (slots[key] != 0) revert Taken(key);
        slots[key] = bytes32((block.number << 64) | block.timestamp);
        emit Committed(key, msg.sender);
        _take(msg.sender, commitBond());
    }

    /// @inheritdoc IDisputeArena
    function expire(bytes32 key) external {
        (, uint256 time) = _committed(key);
        if (block.timestamp <= time + WINDOW / 2) revert TooEarly(block.timestamp, time + WINDOW / 2);
        delete slots[key];
        emit Expired(key);
        burned += commitBond();
    }

    /// @inheritdoc IDisputeArena
    function open(bytes calldata payload, bytes calldata signature) external returns (bytes32 game) {
        uint256 gasAtStart = gasleft();
        (bytes32 batch, uint256 count, uint256 until, uint256 cover) = _named(_start(payload));
        IOpenRules.Opening memory o = OPEN_RULES.open(domainSeparator(), batch, count, payload);
        game = o.key;
        bytes memory s = _stateOf(o.record);
        _begin(game, s, _max(o.windowEnd, until), payload, signature);
        _signedBy(s, o.keys[0]);
        _signedBy(s, o.keys[1]);
        _bond(s, o, batch == 0 ? 0 : RESERVE + _min(o.value, cover), _start(payload));
        G.put(s, G.COST, _price(gasAtStart, TAIL, payload.length) + (AROUND * PRICE_CAP * TOKEN_PER_ETHER) / 1e18);
        _openSlot(game, o, s, _start(payload));
    }

    /// @inheritdoc IDisputeArena
    function spare(bytes32 caseId) external {
        if (msg.sender != address(REGISTRY)) revert NotParty(msg.sender, address(REGISTRY));
        _spare(caseId);
    }

    /// @dev The batch that a payload of open names as its evidence, all zero if it names none.
    function _named(uint256 pos)
        private
        view
        returns (bytes32 batch, uint256 count, uint256 until, uint256 cover)
    {
        if (Packed.uintAt(pos + 615, 1) != 1) return (0, 0, 0, 0);
        batch = keyOf(address(uint160(Packed.uintAt(pos + 72, 20))), Packed.word(pos + 616));
        (count, until,, cover) = _batch(batch);
    }

    /// @dev The state in a record of OpenRules; its length is not there, so that only its fields may be used.
    function _stateOf(bytes memory record) private pure returns (bytes memory s) {
        assembly ("memory-safe") {
            s := add(record, 296)
        }
    }

    /// @dev The commit is older than this block, in time, and of the claim's window; the opener opens.
    function _begin(
        bytes32 game,
        bytes memory s,
        uint256 windowEnd,
        bytes calldata payload,
        bytes calldata signature
    ) private view {
        (uint256 number, uint256 time) = _committed(game);
        if (block.number <= number || block.timestamp > time + WINDOW / 2) {
            revert OutOfTime(block.timestamp, time, time + WINDOW / 2);
        }
        if (time > windowEnd) revert WindowOver(time, windowEnd);
        if (G.get(s, G.PHASE) == G.INCLUSION) {
            uint256 batchBy = Packed.uintAt(_start(payload) + 185, 8);
            if (time <= batchBy) revert TooEarly(time, batchBy);
            // What a pause held up is demanded when the node had time to post it.
            if (batchBy >= pause.from && time <= uint256(pause.until) + WINDOW / 2) revert Paused(pause.until);
        }
        _authorize(address(uint160(G.get(s, G.OPENER))), game, payload, signature);
        G.put(s, G.COMMITTED_AT, time);
    }

    /// @dev The key may sign for the node, or was retired at most U before the commit; zero is the node itself.
    function _signedBy(bytes memory s, address key) private view {
        if (key == address(0)) return;
        address node = address(uint160(G.get(s, G.NODE)));
        uint256 until = REGISTRY.keyOf(node, key);
        if (until == 0 || G.get(s, G.COMMITTED_AT) > until + UNBONDING) revert NotKey(node, key);
    }

    /// @dev Queues the node's work, sets its deadlines, holds stake for the slash and locks the rest of the bond.
    /// @param sure What the batch has reserved for the claim.
    function _bond(bytes memory s, IOpenRules.Opening memory o, uint256 sure, uint256 payload) private {
        (uint256 before, uint256 queue, uint256 hold) = _openGame(
            address(uint160(G.get(s, G.NODE))), (o.work + RATE - 1) / RATE, RESERVE + o.value, sure
        );
        bool data = G.get(s, G.PHASE) == G.PUBLICATION;
        uint256 bond = _bondFor(before, o.work, data ? _max(WORST_GAS, G.get(s, G.TOTAL) * MOVE_GAS) : WORST_GAS);
        uint256 most = Packed.uintAt(payload + 56, 16);
        if (bond > most) revert BondTooHigh(bond, most);
        G.put(s, G.ESCROW, bond);
        G.put(s, G.HOLD, hold);
        if (G.get(s, G.PHASE) != G.REFUTED) {
            _setClock(s, queue, true, before + 1);
        }
        _join(address(uint160(G.get(s, G.OPENER))), bond - commitBond());
    }

    /// @dev The commit's slot becomes the game's; a claim that was refuted on its face is decided with that.
    function _openSlot(bytes32 game, IOpenRules.Opening memory o, bytes memory s, uint256 payload) private {
        address node = address(uint160(G.get(s, G.NODE)));
        if (G.get(s, G.PHASE) == G.REFUTED) {
            emit Opened(game, node, o.claimId, _head(o.record));
            _decide(game, 2, s, Packed.uintAt(payload + 287, 20), Packed.uintAt(payload + 315, 16));
            return;
        }
        bytes32 slot;
        assembly ("memory-safe") {
            slot := keccak256(add(s, 32), 375)
        }
        slots[game] = slot;
        // What a demand of data asks for is not in the head.
        bool data = G.get(s, G.PHASE) == G.PUBLICATION;
        emit Opened(game, node, o.claimId, data ? o.record : _head(o.record));
    }

    /// @dev Cuts a record of OpenRules to the job and the head of the state.
    function _head(bytes memory record) private pure returns (bytes memory) {
        assembly ("memory-safe") {
            mstore(record, 478) // 296 + 182
        }
        return record;
    }

    // ---- moves

    /// @inheritdoc IDisputeArena
    function children(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(3, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function child(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(4, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function reveal(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(5, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function stage(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(6, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function rows(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(7, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function layer(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(8, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function tensors(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(9, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function pick(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(10, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function raw(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(11, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function element(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(12, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function publish(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(17, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function decrypt(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external {
        _play(18, game, state, payload, signature);
    }

    /// @inheritdoc IDisputeArena
    function answer(bytes32 game, bytes calldata state, bytes calldata payload) external {
        uint256 gasAtStart = gasleft();
        _enter(game, state);
        _inTime(state);
        bytes memory s = ANSWER_RULES.answer(state, payload);
        if (G.get(s, G.PHASE) == G.REFUTED) {
            emit Convicted(
                game, uint8(payload[Job.SIZE]), uint8(G.get(s, G.TENSOR)), uint64(G.get(s, G.INDEX))
            );
        }
        _finishMove(game, 13, s, state, payload, gasAtStart);
    }

    /// @inheritdoc IDisputeArena
    function include(bytes32 game, bytes calldata state, bytes calldata payload) external {
        uint256 gasAtStart = gasleft();
        _enter(game, state);
        _inTime(state);
        bytes32 batch = keyOf(address(uint160(G.peek(state, G.NODE))), Packed.word(_start(payload) + Job.SIZE));
        bytes memory s = ANSWER_RULES.include(state, _posted(batch), payload);
        _finishMove(game, 16, s, state, payload, gasAtStart);
    }

    /// @inheritdoc IDisputeArena
    function timeout(bytes32 game, bytes calldata state, bytes calldata job) external {
        uint256 gasAtStart = gasleft();
        _enter(game, state);
        if (job.length != Job.SIZE) revert Packed.PayloadLength(job.length, Job.SIZE);
        Job.check(_start(job), bytes32(G.peek(state, G.JOB_HASH)));
        bytes memory s = state;
        uint256 phase = G.get(s, G.PHASE);
        if (G.isOver(phase)) revert G.WrongPhase(14, uint8(phase));
        uint256 deadline = G.get(s, G.DEADLINE);
        if (!G.isNodes(phase)) {
            if (block.timestamp <= deadline) revert TooEarly(block.timestamp, deadline);
            G.put(s, G.PHASE, G.LOST);
        } else if (block.timestamp > G.get(s, G.LAST)) {
            G.setFlag(s, G.VOID);
            G.put(s, G.PHASE, G.REFUTED);
        } else {
            if (block.timestamp <= deadline) revert TooEarly(block.timestamp, deadline);
            if (G.flag(s, G.VOID)) revert TooEarly(block.timestamp, G.get(s, G.LAST));
            G.setFlag(s, G.VOID);
        }
        _meter(s, !G.isNodes(phase), gasAtStart, Job.SIZE);
        _store(game, 14, s, _start(job));
    }

    function _play(
        uint8 move,
        bytes32 game,
        bytes calldata state,
        bytes calldata payload,
        bytes calldata signature
    ) private {
        uint256 gasAtStart = gasleft();
        _enter(game, state);
        bool nodes = G.isNodes(G.peek(state, G.PHASE));
        _authorize(address(uint160(G.peek(state, nodes ? G.NODE : G.OPENER))), game, payload, signature);
        _inTime(state);
        bytes memory s = GAME_RULES.step(move, state, payload);
        if (nodes) emit Posted(game, move, payload);
        if (move == 12) _cover(s);
        _finishMove(game, move, s, state, payload, gasAtStart);
    }

    /// @dev An element of a leaf that a confidential model withholds is asked for: a proof of the node, and maybe the next of
    /// many. The opener adds what it takes, so that the escrow pays for all of them (SPEC 08 §4.11, 09 §3.5).
    function _cover(bytes memory s) private {
        if (G.get(s, G.PHASE) != G.ANSWER || G.get(s, G.CLASS) == 0) return;
        uint256 more = proofBond();
        _take(address(uint160(G.get(s, G.OPENER))), more);
        G.put(s, G.ESCROW, G.get(s, G.ESCROW) + more);
    }

    /// @dev The state given is the one in the slot.
    function _enter(bytes32 game, bytes calldata state) private view {
        bytes32 want = slots[game];
        bytes32 got = keccak256(state);
        if (got != want || state.length != G.SIZE) revert G.WrongState(game, got, want);
    }

    /// @dev A move is valid up to and including the deadline: the opener's, or D2 of the node.
    function _inTime(bytes calldata state) private view {
        uint256 phase = G.peek(state, G.PHASE);
        uint256 deadline = G.peek(state, G.isNodes(phase) ? G.LAST : G.DEADLINE);
        if (!G.isOver(phase) && block.timestamp > deadline) revert TooLate(block.timestamp, deadline);
    }

    /// @dev Void flag, the next clocks, metering, slot and event.
    function _finishMove(
        bytes32 game,
        uint8 move,
        bytes memory s,
        bytes calldata state,
        bytes calldata payload,
        uint256 gasAtStart
    ) private {
        bool nodes = G.isNodes(G.peek(state, G.PHASE));
        if (nodes && block.timestamp > G.peek(state, G.DEADLINE)) G.setFlag(s, G.VOID);
        _wind(s);
        _meter(s, nodes, gasAtStart, payload.length);
        _store(game, move, s, _start(payload));
    }

    /// @dev Books what the transaction cost to the opener of the game; on the node's side it comes out of the escrow and goes
    /// to the sender.
    function _meter(bytes memory s, bool nodes, uint256 gasAtStart, uint256 payload) private {
        uint256 tail = TAIL;
        if (nodes) tail += _isEmpty(msg.sender) ? FIRST_CREDIT : CREDIT;
        uint256 paid = _price(gasAtStart, tail, G.SIZE + payload);
        if (nodes) {
            uint256 escrow = G.get(s, G.ESCROW);
            paid = _min(paid, escrow);
            G.put(s, G.ESCROW, escrow - paid);
            _credit(msg.sender, paid);
        }
        G.put(s, G.COST, G.get(s, G.COST) + paid);
    }

    /// @dev The clock of the side that has the turn now, with the block space that its open games take.
    function _wind(bytes memory s) private view {
        uint256 phase = G.get(s, G.PHASE);
        if (G.isOver(phase)) return;
        bool nodes = G.isNodes(phase);
        uint256 games = nodes
            ? _gamesAgainst(address(uint160(G.get(s, G.NODE))))
            : openedBy(address(uint160(G.get(s, G.OPENER))));
        _setClock(s, block.timestamp, nodes, games);
    }

    /// @param from The time from which the side has its reply time.
    /// @param games The open games that the side may have to move in.
    function _setClock(bytes memory s, uint256 from, bool nodes, uint256 games) private view {
        uint256 deadline = from + REPLY_TIME + (games * MOVE_GAS + SPACE_RATE - 1) / SPACE_RATE;
        G.put(s, G.DEADLINE, nodes ? deadline : deadline + GRACE);
        G.put(s, G.LAST, nodes ? deadline + GRACE : 0);
    }

    /// @dev The new state, or the verdict; only moves that bring the job at `job` can decide a game.
    function _store(bytes32 game, uint8 move, bytes memory s, uint256 job) private {
        if (G.isOver(G.get(s, G.PHASE))) {
            _decide(game, move, s, Job.user(job), Job.price(job));
            return;
        }
        slots[game] = keccak256(s);
        emit Moved(game, move, s);
    }

    /// @dev The game waits for `resolve`: what that needs of the state, and user and price of the job.
    function _decide(bytes32 game, uint8 move, bytes memory s, uint256 user, uint256 price) private {
        bytes memory verdict = new bytes(VERDICT);
        assembly ("memory-safe") {
            mcopy(add(verdict, 32), add(s, 32), 126)
            mstore(add(verdict, 158), or(shl(96, user), shr(32, price)))
            mstore(add(verdict, 178), shl(128, price))
        }
        slots[game] = keccak256(verdict);
        emit Decided(game, move, verdict);
    }

    // ---- bonds and the meter

    /// @inheritdoc IDisputeArena
    function commitBond() public view returns (uint256) {
        return _base(PRICE_CAP, WORST_GAS) / 2;
    }

    /// @inheritdoc IDisputeArena
    function bondOf(uint256 openGames, uint256 work) public view returns (uint256) {
        return _bondFor(openGames, work, WORST_GAS);
    }

    /// @inheritdoc IDisputeArena
    function proofBond() public view returns (uint256) {
        return _base(_max(4 * block.basefee, PRICE_CAP), PROOF_GAS);
    }

    /// @dev The bond of a game whose replies take `replies` gas at most.
    function _bondFor(uint256 openGames, uint256 work, uint256 replies) private view returns (uint256) {
        uint256 price = _max(4 * block.basefee, PRICE_CAP);
        return (_base(price, replies) << _min(openGames / 8, MAX_DOUBLINGS)) + work * WORK_FEE;
    }

    /// @dev Replies at 1.5 times a gas price in wei, in token units.
    function _base(uint256 price, uint256 replies) private view returns (uint256) {
        return (replies * price * 3 * TOKEN_PER_ETHER) / 2e18;
    }

    /// @dev What the transaction so far, `tail` and its calldata cost, in token units. The calldata is counted as if no
    /// byte were zero; the larger of execution price and calldata floor (EIP-7623) is taken. Bytes behind what the move
    /// brings are its sender's own affair.
    /// @param brings Bytes of state and payload.
    function _price(uint256 gasAtStart, uint256 tail, uint256 brings) private view returns (uint256) {
        uint256 size = _min(msg.data.length, brings + AROUND_DATA);
        uint256 used = 21_000 + 16 * size + (gasAtStart - gasleft()) + tail;
        uint256 floor = 21_000 + 40 * size;
        if (used < floor) used = floor;
        return (used * _min(tx.gasprice, block.basefee + TIP_CAP) * TOKEN_PER_ETHER) / 1e18;
    }

    // ---- who and what

    /// @inheritdoc IDisputeArena
    function domainSeparator() public view returns (bytes32) {
        return Digests.separator(address(this));
    }

    function _authorize(address party, bytes32 game, bytes calldata payload, bytes calldata signature) private view {
        address who = msg.sender;
        if (signature.length != 0) {
            if (signature.length != 65) revert Digests.BadSignature(signature.length);
            bytes32 digest = Digests.move(domainSeparator(), game, slots[game], keccak256(payload));
            uint256 pos = _start(signature);
            who = Digests.recover(digest, Packed.word(pos), Packed.word(pos + 32), Packed.uintAt(pos + 64, 1));
        }
        if (who != party && !REGISTRY.isDelegate(party, who)) revert NotParty(who, party);
    }

    /// @dev A slot that holds a commit is smaller than 2^128; the hash of a state or verdict is not.
    function _committed(bytes32 key) private view returns (uint256 number, uint256 time) {
        uint256 slot = uint256(slots[key]);
        if (slot == 0 || slot >> 128 != 0) revert NoCommit(key);
        return (slot >> 64, uint64(slot));
    }}
