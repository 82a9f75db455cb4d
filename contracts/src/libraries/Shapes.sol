// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Read} from "../interfaces/IStepVerifier.sol";
import {Descriptors} from "./Descriptors.sol";
import {Trees} from "./Trees.sol";

/// @title The shape of a unit, under which the keys of its circuit are registered (SPEC 10 §5.1)
/// @dev Contexts lie in memory here: 80 bytes, as IStepVerifier takes them.
library Shapes {
    /// @notice Hash of everything that the circuit of element `index` depends on.
    /// @param count Elements of the target.
    /// @param places What the first reads name, where an operation follows it: u64 each.
    function shapeOf(
        bytes calldata d,
        bytes memory context,
        uint256 index,
        uint256 count,
        Read[] memory reads,
        bytes memory places
    ) internal view returns (bytes32) {
        bytes memory text = abi.encodePacked("elenchus/unit/1", d[0:4], d[40:128], uint8(reads.length));
        for (uint256 i = 0; i < reads.length; ++i) {
            uint32 leaf = reads[i].leafBytes;
            text = abi.encodePacked(text, leaf, uint32(reads[i].lo % leaf), uint32(reads[i].hi - reads[i].lo));
        }
        uint256 perLeaf = Descriptors.leafSize(d) >> (Descriptors.elementType(d) - 1);
        uint256 within = index % perLeaf;
        uint256 used = count - index + within; // elements from the leaf's first on
        if (used > perLeaf) used = perLeaf;
        return sha(abi.encodePacked(text, uint32(within), uint32(used), _constants(d, context, index), places));
    }

    /// @notice t of a context.
    function time(bytes memory context) internal pure returns (uint256) {
        return _at(context, 0, 4);
    }

    /// @dev What index and context put into the circuit beyond the place of its reads.
    function _constants(bytes calldata d, bytes memory c, uint256 i) private view returns (bytes memory) {
        uint256 op = Descriptors.op(d);
        if (op < 23) return _plain(d, c, op, i);
        if (op < 50) return _sampling(d, c, op, i);
        if (op == 50 || op == 72) return _word(i % _least(d, 1));
        if (op == 80 || op == 81) return _word(i);
        if (op == 90) return _word(i < _param(d, 1) ? i : _param(d, 1));
        return op == 96 ? _word(i % 2) : bytes("");
    }

    /// @dev norm_inv (7), arg_key (5), rope (17).
    function _plain(bytes calldata d, bytes memory c, uint256 op, uint256 i) private pure returns (bytes memory) {
        if (op == 7) return _word(i);
        if (op == 5) {
            (,, uint256 last) = Descriptors.dims(d, _at(c, 0, 4));
            return _word((i % last) * _least(d, 2));
        }
        if (op != 17) return "";
        uint256 turned = _param(d, 2);
        uint256 dim = i % _least(d, 1);
        if (dim >= turned) return _word(0);
        bool halves = Descriptors.param(d, 4) == 1;
        uint256 half = turned / 2 == 0 ? 1 : turned / 2;
        return _word((halves ? dim < half : dim % 2 == 0) ? 1 : 2);
    }

    /// @dev temper (23) to grammar_state (36).
    function _sampling(bytes calldata d, bytes memory c, uint256 op, uint256 i) private view returns (bytes memory) {
        if (op == 25 || op == 32) return _word(i);
        if (op == 23) return _word(_at(c, 20, 4));
        if (op == 26) return _word(_at(c, 20, 4) == 0 ? 0 : 1);
        if (op == 24) return _word(uint256(sha(abi.encodePacked("draw", uint64(_at(c, 24, 8)), uint32(_at(c, 0, 4))))) >> 192);
        if (op == 27) return _word(_limit(c));
        if (op == 29) return abi.encodePacked(_word(_at(c, 48, 4)), _signed(c, 52), _signed(c, 56));
        if (op == 30) return abi.encodePacked(_word(_at(c, 36, 4)), _word(_at(c, 40, 4)));
        if (op == 33) return _word(_at(c, 44, 4));
        if (op == 34) return abi.encodePacked(_word(_at(c, 60, 4)), _word(_at(c, 64, 4)));
        if (op == 36) return _word(_at(c, 34, 1) == 0 ? 0 : _at(c, 68, 4) == type(uint32).max ? 2 : 1);
        if (op != 31) return "";
        (,, uint256 last) = Descriptors.dims(d, _at(c, 0, 4));
        return _word((i / last) % 16);
    }

    /// @dev The finish code of a step whose token ends nothing by itself.
    function _limit(bytes memory c) private pure returns (uint256) {
        uint256 next = _at(c, 0, 4) + 2;
        if (next >= _at(c, 12, 4) + _at(c, 4, 4)) return 3;
        return next > _at(c, 16, 4) ? 4 : 0;
    }

    /// @dev Parameter i, at least 0.
    function _param(bytes calldata d, uint256 i) private pure returns (uint256) {
        int256 p = Descriptors.param(d, i);
        return p < 0 ? 0 : uint256(p);
    }

    /// @dev Parameter i, at least 1.
    function _least(bytes calldata d, uint256 i) private pure returns (uint256) {
        uint256 p = _param(d, i);
        return p == 0 ? 1 : p;
    }

    /// @dev An i32 of the context.
    function _signed(bytes memory c, uint256 offset) private pure returns (int64) {
        return int64(int32(uint32(_at(c, offset, 4))));
    }

    function _word(uint256 v) private pure returns (bytes memory) {
        return abi.encodePacked(uint64(v));
    }

    /// @dev Unsigned integer of `size` bytes at `offset` of a context.
    function _at(bytes memory c, uint256 offset, uint256 size) private pure returns (uint256 v) {
        assembly ("memory-safe") {
            v := shr(sub(256, shl(3, size)), mload(add(add(c, 32), offset)))
        }
    }

    /// @notice SHA-256 of bytes in memory.
    function sha(bytes memory data) internal view returns (bytes32 result) {
        bool ok;
        assembly ("memory-safe") {
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 2, add(data, 32), mload(data), 0, 32))
            result := mload(0)
        }
        if (!ok) revert Trees.HashFailed();
    }
}
