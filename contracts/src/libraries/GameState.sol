// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The state of a game: 375 packed bytes (SPEC 08 §2), and whose turn a phase is (SPEC 08 §3)
/// @notice A field is named by a constant that packs offset and size; `get` and `put` work on a copy in memory,
/// `peek` on calldata.
library GameState {
    /// @notice The state does not hash to the game's slot.
    error WrongState(bytes32 game, bytes32 got, bytes32 want);
    /// @notice The move is not legal in the phase.
    error WrongPhase(uint8 move, uint8 phase);

    uint256 internal constant SIZE = 375;
    /// @notice The first bytes: what `open` sets and the job does not say. `Opened` carries them behind the job.
    uint256 internal constant HEAD = 182;
    /// @notice The first bytes of these: what a verdict keeps of a state.
    uint256 internal constant MONEY = 126;

    // Fields: offset * 64 + size.
    uint256 internal constant CASE = (0 << 6) | 32;
    uint256 internal constant NODE = (32 << 6) | 20;
    uint256 internal constant OPENER = (52 << 6) | 20;
    uint256 internal constant PHASE = (72 << 6) | 1;
    uint256 internal constant FLAGS = (73 << 6) | 1;
    uint256 internal constant COMMITTED_AT = (74 << 6) | 4;
    uint256 internal constant ESCROW = (78 << 6) | 16;
    uint256 internal constant HOLD = (94 << 6) | 16;
    uint256 internal constant COST = (110 << 6) | 16;
    uint256 internal constant DEADLINE = (126 << 6) | 8;
    uint256 internal constant LAST = (134 << 6) | 8;
    uint256 internal constant CLASS = (142 << 6) | 1;
    uint256 internal constant T = (143 << 6) | 3;
    uint256 internal constant LAYERS = (146 << 6) | 2;
    uint256 internal constant D_LAYER = (148 << 6) | 1;
    uint256 internal constant D_ROW = (149 << 6) | 1;
    uint256 internal constant GRAPH_ROOT = (150 << 6) | 32;
    uint256 internal constant STAGE = (182 << 6) | 2;
    uint256 internal constant TENSOR = (184 << 6) | 1;
    uint256 internal constant LEVEL = (185 << 6) | 1;
    uint256 internal constant TENSORS = (186 << 6) | 1;
    uint256 internal constant F = (187 << 6) | 1;
    uint256 internal constant Y_PREV = (188 << 6) | 4;
    uint256 internal constant Y = (192 << 6) | 4;
    uint256 internal constant INDEX = (196 << 6) | 8;
    uint256 internal constant TOTAL = (204 << 6) | 8;
    uint256 internal constant LEAF_BYTES = (212 << 6) | 2;
    uint256 internal constant ELEMENT_TYPE = (214 << 6) | 1;
    uint256 internal constant JOB_HASH = (215 << 6) | 32;
    uint256 internal constant KV_ROOT = (247 << 6) | 32;
    uint256 internal constant BOUNDARY_ROOT = (279 << 6) | 32;
    uint256 internal constant LIST_ROOT = (311 << 6) | 32;
    uint256 internal constant SUBTREE = (343 << 6) | 32;

    uint8 internal constant STATES = 1;
    uint8 internal constant OUTPUTS = 2;
    uint8 internal constant STATES_PICK = 3;
    uint8 internal constant OUTPUTS_PICK = 4;
    uint8 internal constant REVEAL = 5;
    uint8 internal constant STAGE_PICK = 6;
    uint8 internal constant ROWS = 7;
    uint8 internal constant LAYER_PICK = 8;
    uint8 internal constant TENSORS_DUE = 9;
    uint8 internal constant PICK = 10;
    uint8 internal constant TENSOR_DUE = 11;
    uint8 internal constant TENSOR_PICK = 12;
    uint8 internal constant RAW = 13;
    uint8 internal constant ELEMENT_PICK = 14;
    uint8 internal constant ANSWER = 15;
    uint8 internal constant REFUTED = 16;
    uint8 internal constant LOST = 17;
    uint8 internal constant INCLUSION = 18;
    uint8 internal constant PUBLICATION = 19;
    uint8 internal constant CHECK = 20;

    uint256 internal constant VOID = 1;
    uint256 internal constant DESCENDED = 2;
    uint256 internal constant GRAPH = 4;
    uint256 internal constant ABSORB = 8;
    uint256 internal constant MEMORY = 16;
    uint256 internal constant STOPS = 32;
    uint256 internal constant DEMAND = 64;
    uint256 internal constant GRAMMAR = 128;

    /// @dev Phases 1, 2, 5, 7, 9, 11, 13, 15, 18, 19 as bits.
    uint256 private constant NODES_PHASES = 0xCAAA6;

    /// @notice Whether the node (or, in ANSWER and INCLUSION, anyone against the node's clock) is to move.
    function isNodes(uint256 phase) internal pure returns (bool) {
        return (NODES_PHASES >> phase) & 1 == 1;
    }

    /// @notice Whether the game has ended and waits for `resolve`.
    function isOver(uint256 phase) internal pure returns (bool) {
        return phase >> 1 == REFUTED >> 1;
    }

    function get(bytes memory s, uint256 field) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, and(field, 63))), mload(add(add(s, 32), shr(6, field))))
        }
    }

    /// @dev The last field is a whole word, so that the word written lies inside the state.
    function put(bytes memory s, uint256 field, uint256 value) internal pure {
        assembly ("memory-safe") {
            let shift := sub(256, shl(3, and(field, 63)))
            let p := add(add(s, 32), shr(6, field))
            let mask := shl(shift, shr(shift, not(0)))
            mstore(p, or(and(mload(p), not(mask)), and(shl(shift, value), mask)))
        }
    }

    function putWord(bytes memory s, uint256 field, bytes32 value) internal pure {
        put(s, field, uint256(value));
    }

    function word(bytes memory s, uint256 field) internal pure returns (bytes32) {
        return bytes32(get(s, field));
    }

    function peek(bytes calldata s, uint256 field) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, and(field, 63))), calldataload(add(s.offset, shr(6, field))))
        }
    }

    function flag(bytes memory s, uint256 bit) internal pure returns (bool) {
        return get(s, FLAGS) & bit != 0;
    }

    /// @notice Whether leaves of the model are hashed for circuits and answers are proofs (SPEC 10 §6).
    function confidential(bytes memory s) internal pure returns (bool) {
        return get(s, CLASS) != 0;
    }

    function clearFlag(bytes memory s, uint256 bit) internal pure {
        put(s, FLAGS, get(s, FLAGS) & ~bit);
    }

    function setFlag(bytes memory s, uint256 bit) internal pure {
        put(s, FLAGS, get(s, FLAGS) | bit);
    }
}
