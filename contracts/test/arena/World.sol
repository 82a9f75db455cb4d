// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "../Check.sol";
import {Build} from "./Build.sol";
import {DisputeArena} from "../../src/DisputeArena.sol";
import {NodeRegistry} from "../../src/NodeRegistry.sol";
import {StepVerifier} from "../../src/StepVerifier.sol";
import {TestToken} from "../../src/TestToken.sol";
import {IDisputeArena} from "../../src/interfaces/IDisputeArena.sol";
import {Digests} from "../../src/libraries/Digests.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";

interface VmLogs {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function lastCallGas() external returns (Gas memory);
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);

    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }
}

/// @notice A deployment with a node, a challenger and a stranger, and the moves as calls that follow the game's state.
abstract contract World is Check {
    VmLogs internal constant logs = VmLogs(address(uint160(uint256(keccak256("hevm cheat code")))));
    bytes32 internal constant OPENED = keccak256("Opened(bytes32,address,bytes32,bytes)");
    bytes32 internal constant MOVED = keccak256("Moved(bytes32,uint8,bytes)");
    bytes32 internal constant DECIDED = keccak256("Decided(bytes32,uint8,bytes)");
    bytes32 internal constant RESOLVED = keccak256("Resolved(bytes32,bytes32,uint8,bool,uint256,uint256,bytes)");

    uint256 internal constant NODE_KEY = 0xA11CE;
    uint256 internal constant OPENER_KEY = 0xB0B;
    uint256 internal constant RESERVE = 100e18;
    uint256 internal constant VALUE = 7e18;
    uint256 internal constant PRICE = 2e18;
    uint256 internal constant STAKE = 10_000e18;
    uint256 internal constant FUNDS = 5_000e18;
    uint256 internal constant START = 1_800_000_000;
    bytes32 internal constant SALT = bytes32(uint256(0x5A17));
    uint32 internal constant ANY_STATES = type(uint32).max;
    uint32 internal constant ANY_OUTPUTS = type(uint32).max - 1;
    uint32 internal constant ON_ITS_FACE = type(uint32).max - 2;

    address internal node;
    address internal opener;
    address internal stranger = address(0x577A);
    address internal constant GUARDIAN = address(0x6A4D);
    address internal user = address(0x05E2);

    TestToken internal token;
    NodeRegistry internal registry;
    DisputeArena internal arena;

    bytes32 internal game;
    bytes internal state;
    bytes internal job;
    bytes internal verdict; // of the game that was decided last
    bytes internal held; // by the verdict of the game that was resolved last

    function setUp() public virtual {
        vm.warp(START);
        vm.fee(1 gwei);
        vm.txGasPrice(2 gwei);
        node = vm.addr(NODE_KEY);
        opener = vm.addr(OPENER_KEY);
        token = TestToken(deploy("TestToken", ""));
        address steps = address(_steps());
        registry = NodeRegistry(deploy("NodeRegistry", ""));
        address poseidon = deploy("Poseidon", "");
        address proofs = deploy("ProofRules", abi.encode(steps, poseidon));
        address[4] memory modules = [
            address(registry),
            deploy("OpenRules", ""),
            deploy("GameRules", abi.encode(poseidon)),
            deploy("AnswerRules", abi.encode(steps, proofs, deploy("ClusterRules", abi.encode(steps))))
        ];
        arena = DisputeArena(deploy("DisputeArena", abi.encode(address(token), _params(), modules)));
        _endow(node);
        vm.prank(node);
        arena.deposit(STAKE);
        _endow(opener);
        vm.prank(opener);
        arena.fund(FUNDS);
    }

    function _params() internal pure returns (IDisputeArena.Params memory p) {
        p.unbonding = 7 days;
        p.spaceRate = 30_000_000;
        p.reserve = uint96(RESERVE);
        p.window = 90;
        p.replyTime = 8;
        p.grace = 8;
        p.rate = 100;
        p.rewardDelay = 600;
        p.priceCap = 4 gwei;
        p.tipCap = 1 gwei;
        p.tokenPerEther = 3000e18;
        p.worstGas = 2_500_000;
        p.workFee = 1e15;
        p.refundFactor = 3;
        p.guardian = GUARDIAN;
    }

    function _steps() private returns (StepVerifier) {
        address linear = deploy("LinearEvaluator", "");
        address wise = deploy("ElementwiseEvaluator", "");
        address sampler = deploy("SamplerEvaluator", "");
        uint8[] memory ops = new uint8[](7);
        address[] memory by = new address[](7);
        (ops[0], by[0], ops[1], by[1], ops[2], by[2]) = (1, linear, 9, linear, 10, linear);
        (ops[3], by[3], ops[4], by[4]) = (13, wise, 16, wise);
        (ops[5], by[5], ops[6], by[6]) = (27, sampler, 28, sampler);
        return StepVerifier(deploy("StepVerifier", abi.encode(address(0), ops, by, new address[](0))));
    }

    function _endow(address account) internal {
        token.mint(account, 100_000e18);
        vm.prank(account);
        token.approve(address(arena), type(uint256).max);
    }

    // ---- claims

    struct Terms {
        bytes header;
        bytes32 promptRoot;
        uint32 m;
        uint32 n;
        uint32 maxNew;
        uint8 finish;
        bytes32 stateRoot;
        bytes32 outputRoot;
        uint64 challengeUntil;
        uint96 settings; // topK, topP, minP
    }

    function _digests(Terms memory c) internal view returns (bytes32 digest, bytes32 id) {
        bytes32 domain = arena.domainSeparator();
        Digests.Request memory r;
        (r.model, r.promptRoot, r.promptCount, r.maxNew) = (sha256(c.header), c.promptRoot, c.m, c.maxNew);
        (r.user, r.price, r.extras) = (user, PRICE, _extras(c.settings));
        Digests.Claim memory k;
        (k.node, k.requestDigest, k.count, k.finish) = (node, Digests.request(domain, r), c.n, c.finish);
        (k.stateRoot, k.outputRoot, k.value) = (c.stateRoot, c.outputRoot, VALUE);
        (k.issued, k.batchBy, k.challengeUntil) = (START, START + 30, c.challengeUntil);
        return Digests.claim(domain, k);
    }

    /// @notice SPEC 07 §2.1, from its text.
    function _extras(uint96 settings) private pure returns (bytes32) {
        if (settings == 0) return 0;
        bytes32 kind = keccak256(
            "Sampler(uint32 topK,uint32 topP,uint32 minP,uint32 repetition,int32 presence,int32 frequency,uint32 stopLengths,bytes32 lists)"
        );
        (uint32 k, uint32 p, uint32 m) = (uint32(settings >> 64), uint32(settings >> 32), uint32(settings));
        return keccak256(bytes.concat(abi.encode(kind, k, p, m), new bytes(5 * 32)));
    }

    function _signed(bytes32 digest, uint256 key) internal returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _openPayload(Terms memory c, uint32 t, bytes memory evidence) internal view returns (bytes memory) {
        bytes memory head = abi.encodePacked(opener, t, SALT, type(uint128).max);
        bytes memory claim = abi.encodePacked(
            node, c.n, c.finish, c.stateRoot, c.outputRoot, uint128(VALUE), uint64(START), uint64(START + 30)
        );
        bytes memory request =
            abi.encodePacked(c.challengeUntil, c.promptRoot, c.m, c.maxNew, uint32(0), uint64(0), bytes32(0), uint8(0));
        request = abi.encodePacked(request, uint8(0), user, uint64(0), uint128(PRICE), c.settings, new bytes(48));
        return bytes.concat(head, claim, request, c.header, evidence);
    }

    function _key(Terms memory c, uint32 t) internal view returns (bytes32) {
        (, bytes32 id) = _digests(c);
        return keccak256(abi.encodePacked(opener, id, t, SALT));
    }

    function _commit(Terms memory c, uint32 t) internal {
        game = _key(c, t);
        vm.prank(opener);
        arena.commit(game);
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 1);
    }

    /// @notice Commits and opens with the node's signature as evidence.
    function _open(Terms memory c, uint32 t) internal {
        _commit(c, t);
        _as(opener, abi.encodeCall(arena.open, (_signedPayload(c, t), "")));
    }

    function _signedPayload(Terms memory c, uint32 t) internal returns (bytes memory) {
        (bytes32 digest,) = _digests(c);
        return _openPayload(c, t, bytes.concat(hex"00", _signed(digest, NODE_KEY)));
    }

    /// @notice The case of a claim with the node's signature, or with a batch of the node, as evidence.
    function _case(Terms memory c, bytes32 batchRoot) internal view returns (bytes32) {
        (, bytes32 id) = _digests(c);
        bytes32 key = batchRoot == 0 ? bytes32(0) : keccak256(abi.encodePacked(node, batchRoot));
        return keccak256(abi.encodePacked(id, key));
    }

    // ---- moves

    /// @notice Gas of the last call; of the whole transaction in tests that forge isolates.
    uint256 internal gasOfMove;

    /// @notice Calls the arena and takes the game's state from the event.
    function _as(address who, bytes memory call) internal {
        bytes memory result = _try(who, call);
        if (result.length != 0) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
    }

    /// @return failure Empty if the call succeeded.
    function _try(address who, bytes memory call) internal returns (bytes memory failure) {
        logs.recordLogs();
        vm.prank(who);
        (bool ok, bytes memory result) = address(arena).call(call);
        gasOfMove = logs.lastCallGas().gasTotalUsed;
        if (!ok) return result;
        VmLogs.Log[] memory all = logs.getRecordedLogs();
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i].topics[0] == MOVED) (, state) = abi.decode(all[i].data, (uint8, bytes));
            if (all[i].topics[0] == OPENED) _opening(abi.decode(all[i].data, (bytes)));
            if (all[i].topics[0] == DECIDED) {
                (, verdict) = abi.decode(all[i].data, (uint8, bytes));
                for (uint256 k = 0; k < 126; ++k) {
                    state[k] = verdict[k];
                }
            }
            if (all[i].topics[0] == RESOLVED) {
                (,,,, held) = abi.decode(all[i].data, (uint8, bool, uint256, uint256, bytes));
            }
        }
    }

    /// @notice Job and state of an opening: what its record says, and what follows from that (SPEC 08 §4.7).
    function _opening(bytes memory record) private {
        bytes memory s = new bytes(375);
        job = new bytes(296);
        for (uint256 k = 0; k < record.length; ++k) {
            if (k < 296) job[k] = record[k];
            else s[k - 296] = record[k];
        }
        G.putWord(s, G.JOB_HASH, keccak256(job));
        uint256 phase = G.get(s, G.PHASE);
        if (phase == G.STATES || phase == G.OUTPUTS) {
            (uint256 m, uint256 n) = (_number(record, 168), _number(record, 172));
            uint256 leaves = phase == G.STATES ? m + n - 1 : (n + 15) / 16;
            uint256 level;
            while ((uint256(1) << level) < leaves) ++level;
            G.put(s, G.LEVEL, level);
            G.put(s, G.TOTAL, phase == G.STATES ? 32 * leaves : 4 * n);
            G.put(s, G.LEAF_BYTES, phase == G.STATES ? 32 : 64);
            G.put(s, G.ELEMENT_TYPE, phase == G.STATES ? 0 : 3);
            bytes32 root;
            assembly {
                root := mload(add(add(record, 32), add(96, mul(32, eq(phase, 2)))))
            }
            G.putWord(s, G.SUBTREE, root);
        }
        state = s;
    }

    function _number(bytes memory b, uint256 at) private pure returns (uint256 v) {
        for (uint256 k = 0; k < 4; ++k) {
            v = (v << 8) | uint8(b[at + k]);
        }
    }

    /// @notice A call to another contract than the arena fails with the error.
    function _reverts(address target, address who, bytes memory call, bytes4 selector, string memory what) internal {
        vm.prank(who);
        (bool ok, bytes memory failure) = target.call(call);
        check(!ok && failure.length >= 4, what);
        same(bytes32(bytes4(failure)), bytes32(selector), what);
    }

    /// @notice Tries shorter payloads before each move: each is refused with a named error.
    bool internal truncating;

    function _move(address who, bytes4 selector, bytes memory payload) internal {
        if (truncating) _cut(who, selector, payload);
        _as(who, _call(selector, payload, ""));
    }

    /// @dev `answer` and `include` take no signature; the others do.
    function _cut(address who, bytes4 selector, bytes memory payload) internal {
        uint256 full = payload.length;
        bool signs = selector != arena.answer.selector && selector != arena.include.selector;
        for (uint256 size = 0; size < full; size = _next(size, full)) {
            uint256 free;
            assembly {
                free := mload(0x40)
                mstore(payload, size)
            }
            bytes memory call = signs
                ? _call(selector, payload, "")
                : abi.encodeWithSelector(selector, game, state, payload);
            vm.prank(who);
            (bool ok, bytes memory failure) = address(arena).call(call);
            check(!ok, "a short payload is taken");
            _named(failure);
            assembly {
                mstore(0x40, free)
            }
        }
        assembly {
            mstore(payload, full)
        }
    }

    /// @dev The lengths at which something is cut: the first ones, every 61st, the last one.
    function _next(uint256 size, uint256 full) internal pure returns (uint256) {
        if (size < 12) return size + 1;
        return size + 1 < full && size + 61 >= full ? full - 1 : size + 61;
    }

    /// @dev An error with a name: neither nothing, nor text, nor the compiler's own.
    function _named(bytes memory failure) internal pure {
        check(failure.length >= 4, "a revert without a name");
        bytes4 selector = bytes4(failure);
        check(selector != 0x08c379a0 && selector != 0x4e487b71, "Error or Panic");
    }

    function _call(bytes4 selector, bytes memory payload, bytes memory signature) internal view returns (bytes memory) {
        return abi.encodeWithSelector(selector, game, state, payload, signature);
    }

    function _answer(address who, bytes memory payload) internal {
        if (truncating) _cut(who, arena.answer.selector, payload);
        _as(who, abi.encodeCall(arena.answer, (game, state, payload)));
    }

    function _timeout() internal {
        _as(stranger, abi.encodeCall(arena.timeout, (game, state, job)));
    }

    /// @notice Closes the game; `what` is what the case holds before.
    function _resolve(bytes memory what) internal {
        _as(stranger, abi.encodeCall(arena.resolve, (game, verdict, what)));
        same(arena.slots(game), bytes32(0), "slot");
    }

    function _resolve() internal {
        _resolve("");
    }

    function _fails(address who, bytes memory call, bytes4 selector, string memory what) internal {
        bytes memory failure = _try(who, call);
        check(failure.length >= 4, what);
        same(bytes32(bytes4(failure)), bytes32(selector), what);
    }

    function _get(uint256 field) internal view returns (uint256) {
        return G.get(state, field);
    }

    function _phase(uint256 want) internal view {
        same(_get(G.PHASE), want, "phase");
    }

    // ---- money

    /// @dev 16 bytes of what is held: at 32 slashed, at 48 the cost of the game that came first, at 64 what is left.
    function _heldNumber(uint256 at) internal view returns (uint256 value) {
        for (uint256 i = at; i < at + 16; ++i) {
            value = (value << 8) | uint8(held[i]);
        }
    }

    /// @notice What the vault owes adds up to what it holds; `held` is what the arena holds.
    function _solvent(uint256 held) internal view {
        (uint128 stake,,,,,,) = arena.nodes(node);
        uint256 sum = uint256(stake) + arena.creditOf(node) + arena.creditOf(opener) + arena.creditOf(stranger)
            + arena.creditOf(user) + arena.burned() + held;
        same(token.balanceOf(address(arena)), sum, "solvency");
    }

    // ---- descriptors

    struct Tensor {
        uint8 op;
        uint8 kind; // element type
        uint16 leafBytes;
        uint32[2] dims; // the last two
        uint16[4] sources; // kind << 8 | index
        uint64[3] params;
        bytes32 a;
        bytes32 b;
    }

    function _descriptor(Tensor memory x) internal pure returns (bytes memory d) {
        d = abi.encodePacked(x.op, x.kind, x.leafBytes, uint32(0), uint32(1), uint32(0));
        d = abi.encodePacked(d, x.dims[0], uint32(0), x.dims[1], uint32(0));
        d = abi.encodePacked(d, x.sources[0], x.sources[1], x.sources[2], x.sources[3]);
        d = abi.encodePacked(d, x.params[0], x.params[1], x.params[2], new bytes(64), x.a, x.b);
    }

    function _header(uint16 kind, uint16 layers, uint24 depths, bytes32 graphRoot)
        internal
        pure
        returns (bytes memory)
    {
        bytes memory head =
            abi.encodePacked("elenchus/model/1", uint16(1), kind, uint32(kind == 1 ? 4 : 0), uint32(kind == 1 ? 8192 : 0), layers, depths);
        return bytes.concat(head, new bytes(31), graphRoot, new bytes(128));
    }
}
