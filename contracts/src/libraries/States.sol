// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Packed} from "./Packed.sol";
import {Trees} from "./Trees.sol";

/// @title Step states, their openings, and ids in leaves (SPEC 06 §2, §3)
library States {
    /// @notice An opening leads to another root than the one it must lead to.
    error NotOpened(bytes32 got, bytes32 want);

    /// @notice S_t = SHA-256(02 | t+1 | y | f | KV | AUX | S_{t-1}); `index` is t+1.
    function hash(uint256 index, uint256 y, uint256 f, bytes32 kv, bytes32 aux, bytes32 previous)
        internal
        view
        returns (bytes32)
    {
        bytes memory preimage = abi.encodePacked(uint8(2), uint32(index), uint32(y), uint8(f), kv, aux, previous);
        bool ok;
        bytes32 result;
        assembly ("memory-safe") {
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 2, add(preimage, 32), 106, 0, 32))
            result := mload(0)
        }
        if (!ok) revert Trees.HashFailed();
        return result;
    }

    /// @notice Requires that an opening led to the root.
    function same(bytes32 got, bytes32 want) internal pure {
        if (got != want) revert NotOpened(got, want);
    }

    /// @notice Root to which S_{t-1} and S_t (for t = 0: S_0 alone) open in the tree over `count` states.
    function open(bytes32 before, bytes32 afterwards, uint256 t, uint256 count, uint256 pos, uint256 end)
        internal
        view
        returns (bytes32 root, uint256 next)
    {
        uint256 levels = Trees.depthOf(count);
        if (t >= count) revert Trees.RangeOutside(t, t + 1, levels);
        if (t == 0) return Trees.openNode(afterwards, 0, 0, levels, pos, end);
        (uint256 a, uint256 h) = (t - 1, 0);
        while (a & 1 == 1) {
            Packed.take(pos, 64, end);
            before = Trees.node(Packed.word(pos), before);
            afterwards = Trees.node(afterwards, Packed.word(pos + 32));
            (a, h, pos) = (a >> 1, h + 1, pos + 64);
        }
        return Trees.openNode(Trees.node(before, afterwards), h + 1, a >> 1, levels, pos, end);
    }

    /// @notice The i32 (as 32 unsigned bits) that stands little-endian at a calldata position.
    function id(uint256 pos) internal pure returns (uint256) {
        uint256 v = Packed.uintAt(pos, 4);
        return ((v & 0xff) << 24) | ((v & 0xff00) << 8) | ((v >> 8) & 0xff00) | (v >> 24);
    }
}
