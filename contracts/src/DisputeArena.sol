// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeArena} from "./interfaces/IDisputeArena.sol";
import {IAnswerRules, IGameRules, IOpenRules} from "./interfaces/IRules.sol";
import {IClaimBook} from "./interfaces/IClaimBook.sol";
import {INodeRegistry} from "./interfaces/INodeRegistry.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Digests} from "./libraries/Digests.sol";
import {GameState as G} from "./libraries/GameState.sol";
import {Job} from "./libraries/Job.sol";
import {Packed} from "./libraries/Packed.sol";

/// @title Clocks and money of the game; see IDisputeArena
contract DisputeArena is IDisputeArena {
    /// @dev One slot: winner 160 bits (0: not refuted), committedAt 32, settleAt 32, voided 1, reward 31.
    struct Verdict {
        address winner;
        uint256 committedAt;
        uint256 settleAt;
        bool voided;
        uint256 reward;
    }

    uint256 private constant MAX_TIME = 90 days;
    uint256 private constant MAX_DOUBLINGS = 32;
    /// @dev Gas after the meter is read: slot, event, and for the node's moves the credit.
    uint256 private constant TAIL = 11_000;
    uint256 private constant CREDIT = 8_000;
    /// @dev Significant bits of a reward, and the flag of a void claim in a verdict's slot.
    uint256 private constant REWARD_BITS = 25;
    uint256 private constant VOIDED = 1 << 224;

    uint256 public immutable WINDOW;
    uint256 public immutable REPLY_TIME;
    uint256 public immutable GRACE;
    uint256 public immutable RATE;
    uint256 public immutable REWARD_DELAY;
    uint256 public immutable PRICE_CAP;
    uint256 public immutable TIP_CAP;
    uint256 public immutable TOKEN_PER_ETHER;
    uint256 public immutable WORST_GAS;
    uint256 public immutable WORK_FEE;
    uint256 public immutable REFUND_FACTOR;

    IStakeVault public immutable VAULT;
    IClaimBook public immutable BOOK;
    INodeRegistry public immutable REGISTRY;
    IOpenRules public immutable OPEN_RULES;
    IGameRules public immutable GAME_RULES;
    IAnswerRules public immutable ANSWER_RULES;

    /// @inheritdoc IDisputeArena
    mapping(bytes32 game => bytes32) public slots;
    mapping(bytes32 claimId => uint256) private _verdicts;

    /// @param modules Vault, book, node registry, rules of open, of the game, of the answer.
    constructor(Params memory p, address[6] memory modules) {
        _range("window", p.window, 4, 365 days);
        _range("replyTime", p.replyTime, 1, MAX_TIME);
        _range("grace", p.grace, 1, MAX_TIME);
        _range("rate", p.rate, 1, type(uint32).max);
        _range("rewardDelay", p.rewardDelay, 1, 365 days);
        _range("priceCap", p.priceCap, 1, 1e15);
        _range("tipCap", p.tipCap, 0, 1e15);
        _range("tokenPerEther", p.tokenPerEther, 1, 1e30);
        _range("worstGas", p.worstGas, 100_000, 100_000_000);
        _range("workFee", p.workFee, 0, 1e30);
        _range("refundFactor", p.refundFactor, 1, 1000);
        (WINDOW, REPLY_TIME, GRACE, RATE) = (p.window, p.replyTime, p.grace, p.rate);
        (REWARD_DELAY, PRICE_CAP, TIP_CAP) = (p.rewardDelay, p.priceCap, p.tipCap);
        (TOKEN_PER_ETHER, WORST_GAS, WORK_FEE) = (p.tokenPerEther, p.worstGas, p.workFee);
        REFUND_FACTOR = p.refundFactor;
        for (uint256 i = 0; i < modules.length; ++i) {
            if (modules[i].code.length == 0) revert BadParameter("module", i);
        }
        VAULT = IStakeVault(modules[0]);
        BOOK = IClaimBook(modules[1]);
        REGISTRY = INodeRegistry(modules[2]);
        OPEN_RULES = IOpenRules(modules[3]);
        GAME_RULES = IGameRules(modules[4]);
        ANSWER_RULES = IAnswerRules(modules[5]);
    }

    // ---- opening

    /// @inheritdoc IDisputeArena
    function commit(bytes32 key) external {
        if (slots[key] != 0) revert Taken(key);
        slots[key] = bytes32((block.number << 64) | block.timestamp);
        emit Committed(key, msg.sender);
        VAULT.lock(msg.sender, commitBond());
    }

    /// @inheritdoc IDisputeArena
    function expire(bytes32 key) external {
        (, uint256 time) = _committed(key);
        if (block.timestamp <= time + WINDOW / 2) revert TooEarly(block.timestamp, time + WINDOW / 2);
        delete slots[key];
        emit Expired(key);
        VAULT.burn(commitBond());
    }

    /// @inheritdoc IDisputeArena
    function open(bytes calldata payload, bytes calldata signature) external returns (bytes32 game) {
        uint256 gasAtStart = gasleft();
        IOpenRules.Opening memory o = OPEN_RULES.open(domainSeparator(), payload);
        game = o.key;
        (uint256 number, uint256 time) = _committed(game);
        if (block.number <= number || block.timestamp > time + WINDOW / 2) {
            revert OutOfTime(block.timestamp, time, time + WINDOW / 2);
        }
        if (time > o.windowEnd) revert WindowOver(time, o.windowEnd);
        bytes memory s = o.state;
        address opener = address(uint160(G.get(s, G.OPENER)));
        _authorize(opener, game, payload, signature);
        bytes32 batch = _jobBatch(o.job);
        G.put(s, G.OPENED_AT, block.timestamp);
        G.put(s, G.COMMITTED_AT, time);
        emit Opened(game, address(uint160(G.get(s, G.NODE))), G.word(s, G.CLAIM_ID), o.job);
        if (batch != 0) BOOK.openGame(batch);
        _bond(s, o.work, opener, Packed.uintAt(_start(payload) + 56, 16));
        G.put(s, G.COST, _price(gasAtStart, TAIL));
        _store(game, 2, s);
    }

    /// @dev Queues the node's work, sets its deadlines, and locks the rest of the bond.
    function _bond(bytes memory s, uint256 work, address opener, uint256 most) private {
        uint256 seconds_ = (work + RATE - 1) / RATE;
        (uint256 before, uint256 queue) = VAULT.openGame(address(uint160(G.get(s, G.NODE))), seconds_);
        uint256 bond = bondOf(before, work);
        if (bond > most) revert BondTooHigh(bond, most);
        G.put(s, G.ESCROW, bond);
        G.put(s, G.DEADLINE, queue + REPLY_TIME);
        G.put(s, G.LAST, queue + REPLY_TIME + GRACE);
        VAULT.lock(opener, bond - commitBond());
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
        _finishMove(game, 13, s, state, gasAtStart);
    }

    /// @inheritdoc IDisputeArena
    function timeout(bytes32 game, bytes calldata state) external {
        _enter(game, state);
        bytes memory s = state;
        uint256 phase = G.get(s, G.PHASE);
        if (G.isOver(phase)) revert G.WrongPhase(14, uint8(phase));
        uint256 deadline = G.get(s, G.DEADLINE);
        if (!G.isNodes(phase)) {
            if (block.timestamp <= deadline) revert TooEarly(block.timestamp, deadline);
            _end(s, G.LOST);
        } else if (block.timestamp > G.get(s, G.LAST)) {
            G.setFlag(s, G.VOID);
            _end(s, G.REFUTED);
        } else {
            if (block.timestamp <= deadline) revert TooEarly(block.timestamp, deadline);
            if (G.flag(s, G.VOID)) revert TooEarly(block.timestamp, G.get(s, G.LAST));
            G.setFlag(s, G.VOID);
        }
        _store(game, 14, s);
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
        _finishMove(game, move, s, state, gasAtStart);
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
    function _finishMove(bytes32 game, uint8 move, bytes memory s, bytes calldata state, uint256 gasAtStart) private {
        bool nodes = G.isNodes(G.peek(state, G.PHASE));
        if (nodes && block.timestamp > G.peek(state, G.DEADLINE)) G.setFlag(s, G.VOID);
        uint256 phase = G.get(s, G.PHASE);
        if (G.isOver(phase)) {
            _end(s, phase);
        } else if (G.isNodes(phase)) {
            G.put(s, G.DEADLINE, block.timestamp + REPLY_TIME);
            G.put(s, G.LAST, block.timestamp + REPLY_TIME + GRACE);
        } else {
            G.put(s, G.DEADLINE, block.timestamp + REPLY_TIME + GRACE);
            G.put(s, G.LAST, 0);
        }
        uint256 paid = _price(gasAtStart, nodes ? TAIL + CREDIT : TAIL);
        if (nodes) {
            uint256 escrow = G.get(s, G.ESCROW);
            if (paid > escrow) paid = escrow;
            G.put(s, G.ESCROW, escrow - paid);
        }
        G.put(s, G.COST, G.get(s, G.COST) + paid);
        _store(game, move, s);
        if (nodes) VAULT.pay(msg.sender, paid);
    }

    function _end(bytes memory s, uint256 phase) private pure {
        G.put(s, G.PHASE, phase);
        G.put(s, G.DEADLINE, 0);
        G.put(s, G.LAST, 0);
    }

    function _store(bytes32 game, uint8 move, bytes memory s) private {
        slots[game] = keccak256(s);
        emit Moved(game, move, s);
    }

    // ---- money

    /// @inheritdoc IDisputeArena
    function resolve(bytes32 game, bytes calldata state, bytes calldata job) external {
        _enter(game, state);
        uint256 phase = G.peek(state, G.PHASE);
        if (!G.isOver(phase)) revert G.WrongPhase(15, uint8(phase));
        if (job.length != Job.SIZE) revert Packed.PayloadLength(job.length, Job.SIZE);
        uint256 pos = _start(job);
        Job.check(pos, bytes32(G.peek(state, G.JOB_HASH)));
        delete slots[game];
        bool voided = G.peek(state, G.FLAGS) & G.VOID != 0;
        if (phase == G.REFUTED) {
            _refute(game, state, pos, voided);
            return;
        }
        bytes32 claimId = bytes32(G.peek(state, G.CLAIM_ID));
        if (voided) _verdicts[claimId] |= VOIDED;
        if (Job.batch(pos) != 0) BOOK.closeGame(Job.batch(pos));
        uint256 escrow = G.peek(state, G.ESCROW);
        VAULT.closeGame(address(uint160(G.peek(state, G.NODE))), escrow / 2, escrow - escrow / 2);
        emit Resolved(game, claimId, G.LOST, voided, 0, 0, 0, 0);
    }

    /// @dev The first refutation of a claim slashes; a later one repays costs out of free stake, and takes the held
    /// reward over if its commit was earlier.
    function _refute(bytes32 game, bytes calldata state, uint256 job, bool voided) private {
        bytes32 claimId = bytes32(G.peek(state, G.CLAIM_ID));
        Verdict memory v = _verdict(claimId);
        v.voided = v.voided || voided;
        if (v.winner == address(0)) {
            _first(game, state, job, v);
            return;
        }
        address opener = address(uint160(G.peek(state, G.OPENER)));
        uint256 committedAt = G.peek(state, G.COMMITTED_AT);
        if (block.timestamp <= v.settleAt && committedAt < v.committedAt) {
            (v.winner, v.committedAt) = (opener, committedAt);
        }
        _decide(claimId, v);
        if (Job.batch(job) != 0) BOOK.closeGame(Job.batch(job));
        uint256 repaid =
            VAULT.convict(address(uint160(G.peek(state, G.NODE))), G.peek(state, G.COST), 0, false);
        VAULT.pay(opener, G.peek(state, G.ESCROW) + repaid);
        emit Resolved(game, claimId, G.REFUTED, voided, repaid, repaid, 0, 0);
    }

    function _first(bytes32 game, bytes calldata state, uint256 job, Verdict memory v) private {
        (uint256 wanted, uint256 reserved) = BOOK.convict(Job.batch(job), Job.value(job));
        uint256 slashed = VAULT.convict(address(uint160(G.peek(state, G.NODE))), wanted, reserved, true);
        (uint256 costs, uint256 refund, uint256 reward) = split(slashed, G.peek(state, G.COST), Job.price(job));
        v.winner = address(uint160(G.peek(state, G.OPENER)));
        v.committedAt = G.peek(state, G.COMMITTED_AT);
        v.settleAt = _min(block.timestamp + REWARD_DELAY, type(uint32).max);
        v.reward = reward;
        bytes32 claimId = bytes32(G.peek(state, G.CLAIM_ID));
        _decide(claimId, v);
        uint256 burnt = slashed - costs - refund - reward;
        VAULT.distribute(v.winner, G.peek(state, G.ESCROW) + costs, Job.user(job), refund, burnt);
        bool voided = G.peek(state, G.FLAGS) & G.VOID != 0;
        emit Resolved(game, claimId, G.REFUTED, voided, slashed, costs, refund, reward);
    }

    /// @inheritdoc IDisputeArena
    function verdicts(bytes32 claimId)
        external
        view
        returns (
            address winner,
            uint40 committedAt,
            uint40 settleAt,
            bool voided,
            bool refuted,
            uint128 reward
        )
    {
        Verdict memory v = _verdict(claimId);
        (winner, committedAt, settleAt) = (v.winner, uint40(v.committedAt), uint40(v.settleAt));
        (voided, refuted, reward) = (v.voided, v.winner != address(0), uint128(v.reward));
    }

    function _verdict(bytes32 claimId) private view returns (Verdict memory v) {
        uint256 slot = _verdicts[claimId];
        v.winner = address(uint160(slot));
        (v.committedAt, v.settleAt) = (uint32(slot >> 160), uint32(slot >> 192));
        v.voided = slot & VOIDED != 0;
        v.reward = uint256(uint32(slot >> 225) & (2 ** REWARD_BITS - 1)) << (slot >> 250);
    }

    /// @dev The reward comes from `_cut` and is below 2^87, so that its exponent has six bits.
    function _decide(bytes32 claimId, Verdict memory v) private {
        uint256 exponent = _excess(v.reward);
        uint256 slot = uint256(uint160(v.winner)) | (v.committedAt << 160) | (v.settleAt << 192);
        if (v.voided) slot |= VOIDED;
        _verdicts[claimId] = slot | ((v.reward >> exponent) << 225) | (exponent << 250);
    }

    /// @dev How many bits a reward has beyond those that a verdict keeps.
    function _excess(uint256 reward) private pure returns (uint256 bits) {
        while (reward >> (bits + 8) >= 2 ** REWARD_BITS) bits += 8;
        while (reward >> bits >= 2 ** REWARD_BITS) ++bits;
    }

    /// @notice How a slash is split (SPEC 09 §4): at most half is paid out, in the order costs, refund, reward;
    /// the reward is cut to 25 significant bits, so that a verdict is one slot.
    function split(uint256 slashed, uint256 cost, uint256 price)
        public
        view
        returns (uint256 costs, uint256 refund, uint256 reward)
    {
        uint256 left = slashed / 2;
        costs = _min(cost, left);
        left -= costs;
        refund = _min(REFUND_FACTOR * price, left);
        left -= refund;
        reward = _min(3 * cost + slashed / 5, left);
        uint256 lost = _excess(reward);
        reward = (reward >> lost) << lost;
    }

    /// @inheritdoc IDisputeArena
    function settle(bytes32 claimId) external {
        Verdict memory v = _verdict(claimId);
        uint256 reward = v.reward;
        if (reward == 0 || block.timestamp <= v.settleAt) revert NothingToSettle(claimId, v.settleAt);
        v.reward = 0;
        _decide(claimId, v);
        emit Settled(claimId, v.winner, reward);
        VAULT.pay(v.winner, reward);
    }

    /// @inheritdoc IDisputeArena
    function commitBond() public view returns (uint256) {
        return _base(PRICE_CAP) / 2;
    }

    /// @inheritdoc IDisputeArena
    function bondOf(uint256 openGames, uint256 work) public view returns (uint256) {
        uint256 price = 4 * block.basefee;
        if (price < PRICE_CAP) price = PRICE_CAP;
        return (_base(price) << _min(openGames / 8, MAX_DOUBLINGS)) + work * WORK_FEE;
    }

    /// @dev The replies of the longest branch at 1.5 times a gas price in wei, in token units.
    function _base(uint256 price) private view returns (uint256) {
        return (WORST_GAS * price * 3 * TOKEN_PER_ETHER) / 2e18;
    }

    /// @dev What the transaction so far, `tail` and its calldata cost, in token units. The calldata is counted as if no
    /// byte were zero; the larger of execution price and calldata floor (EIP-7623) is taken.
    function _price(uint256 gasAtStart, uint256 tail) private view returns (uint256) {
        uint256 used = 21_000 + 16 * msg.data.length + (gasAtStart - gasleft()) + tail;
        uint256 floor = 21_000 + 40 * msg.data.length;
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

    /// @dev A slot that holds a commit is smaller than 2^128; the hash of a state is not.
    function _committed(bytes32 key) private view returns (uint256 number, uint256 time) {
        uint256 slot = uint256(slots[key]);
        if (slot == 0 || slot >> 128 != 0) revert NoCommit(key);
        return (slot >> 64, uint64(slot));
    }

    function _jobBatch(bytes memory job) private pure returns (bytes32 batch) {
        assembly ("memory-safe") {
            batch := mload(add(job, 316)) // 32 + 284
        }
    }

    function _start(bytes calldata data) private pure returns (uint256 pos) {
        (pos,) = Packed.bounds(data);
    }

    function _range(string memory name, uint256 value, uint256 low, uint256 high) private pure {
        if (value < low || value > high) revert BadParameter(name, value);
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
