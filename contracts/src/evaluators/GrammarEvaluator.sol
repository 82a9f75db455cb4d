// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evaluator, Frame} from "./Evaluator.sol";
import {Descriptors} from "../libraries/Descriptors.sol";
import {Numbers} from "../libraries/Numbers.sol";

/// @title Grammars: mask (35), grammar_state (36)
contract GrammarEvaluator is Evaluator {
    /// @dev Elements of a token table.
    uint256 private constant ELEMENTS = 1 << 22;
    /// @dev The state after a token that is refused, as an element and in the context.
    int256 private constant DEAD = -1;
    uint256 private constant DEAD_STATE = 0xffffffff;
    /// @dev A masked logit of a token that is refused, and the least one of a token that is not.
    int256 private constant REFUSED = -(1 << 31);
    int256 private constant LEAST = -(1 << 30);

    function _element(Frame memory f, bytes calldata d, bytes calldata c) internal pure override returns (int256) {
        if (f.op == 35) return _mask(f, d, c);
        if (f.op == 36) return _next(f, d, c);
        revert UnknownOp(uint8(f.op));
    }

    function _mask(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        int256 x = _one(f, d, 0, Numbers.I32, f.rows * f.last, f.index);
        if (!Descriptors.grammared(c)) return x;
        if (_entry(f, d, c, f.index) <= 0) return REFUSED;
        return x < LEAST ? LEAST : x;
    }

    function _next(Frame memory f, bytes calldata d, bytes calldata c) private pure returns (int256) {
        if (!Descriptors.grammared(c)) return 0;
        if (Descriptors.grammarState(c) == DEAD_STATE) return DEAD;
        int256 y = _one(f, d, 0, Numbers.I32, 1, 0);
        int256 entry = _entry(f, d, c, y < 0 || uint256(y) >= _param(d, 0, 1) ? 0 : uint256(y));
        return entry <= 0 ? DEAD : entry - 1;
    }

    /// @dev The entry of token j in the row of the state: 1 more than the state after it, or not above 0.
    function _entry(Frame memory f, bytes calldata d, bytes calldata c, uint256 j) private pure returns (int256) {
        int256 class = _one(f, d, 1, Numbers.I32, ELEMENTS, _min(j, ELEMENTS - 1));
        uint256 at = _param(d, 0, 1) + Descriptors.grammarState(c);
        if (class > 0) at += uint256(class);
        return _one(f, d, 1, Numbers.I32, ELEMENTS, _min(at, ELEMENTS - 1));
    }
}
