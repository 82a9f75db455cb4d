// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Openings in SHA-256 trees (SPEC 01 §2) and keccak trees (SPEC 08 §2)
/// @notice Leaves and siblings are read straight from calldata at absolute positions; every function that consumes
/// siblings returns the position after the last one, so that a caller parses a packed payload front to back and
/// "exactly as many siblings as needed" is one comparison with its end.
/// @dev Every call of the SHA-256 precompile is checked for success and 32 returned bytes: starved of gas it reverts.
library Trees {
    /// @notice The SHA-256 precompile failed (out of gas).
    error HashFailed();
    /// @notice The payload ends before the last sibling.
    error SiblingsMissing(uint256 got, uint256 want);
    /// @notice The range of leaves is empty or not inside the tree.
    error RangeOutside(uint256 a, uint256 b, uint256 depth);

    /// @dev Z_h at some heights, from which `zero` climbs.
    bytes32 private constant Z4 = 0x30765fef341bdfe749c391bf956a9f03d363941b2eb8f85ab16bb6eb0d3c4def;
    bytes32 private constant Z8 = 0x8e4b3745e5f2f7d48e36b192cb39242fa0f7a76fac1e36a519d8ebe00f3e21fb;
    bytes32 private constant Z12 = 0xd100399f607ba956d68737045ea9eb3e75475dfa633b7cabecf0afa05c9f3af8;
    bytes32 private constant Z16 = 0xbbc84bb1eca9b98b546708cadcf829983dd03da168f65aeae21724003072c21a;
    bytes32 private constant Z20 = 0x51c20d66008024c04cf114564a998e49ef8f6e044e2d13a03a66521d6e200503;
    bytes32 private constant Z24 = 0xfd153e6be1763177c1d43f43661a359214d26256cf62b811d8442382dbca7470;

    /// @notice Depth of the tree over the leaves of `totalBytes` bytes (SPEC 01 §2.3); an empty tensor has one leaf.
    function depth(uint256 totalBytes, uint256 leafBytes) internal pure returns (uint256) {
        return depthOf((totalBytes + leafBytes - 1) / leafBytes);
    }

    /// @notice ceil(log2 count), 0 for a count of 0 or 1.
    function depthOf(uint256 count) internal pure returns (uint256 d) {
        if (count < 2) return 0;
        unchecked {
            uint256 x = count - 1;
            while (x != 0) {
                x >>= 1;
                ++d;
            }
        }
    }

    /// @notice Z_h, the root of a tree of depth h over absent leaves (SPEC 01 §2.2).
    function zero(uint256 h) internal view returns (bytes32 z) {
        uint256 from = h < 24 ? h & ~uint256(3) : 24;
        if (from == 24) z = Z24;
        else if (from == 20) z = Z20;
        else if (from == 16) z = Z16;
        else if (from == 12) z = Z12;
        else if (from == 8) z = Z8;
        else if (from == 4) z = Z4;
        for (uint256 i = from; i < h; ++i) {
            z = node(z, z);
        }
    }

    /// @notice SHA-256(01 | left | right).
    function node(bytes32 left, bytes32 right) internal view returns (bytes32 result) {
        bool ok;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore8(p, 1)
            mstore(add(p, 1), left)
            mstore(add(p, 33), right)
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 2, p, 65, 0, 32))
            result := mload(0)
        }
        if (!ok) revert HashFailed();
    }

    /// @notice SHA-256(00 | leaf) of `size` bytes at calldata position `offset`.
    function leaf(uint256 offset, uint256 size) internal view returns (bytes32 result) {
        bool ok;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore8(p, 0)
            calldatacopy(add(p, 1), offset, size)
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 2, p, add(size, 1), 0, 32))
            result := mload(0)
        }
        if (!ok) revert HashFailed();
    }

    /// @notice Hash of a 64-byte leaf that holds one i32 (a tensor i32 [1]): little-endian, then zeros.
    function leafOfI32(int32 value) internal view returns (bytes32 result) {
        bool ok;
        uint256 v = uint256(uint32(value));
        assembly ("memory-safe") {
            let p := mload(0x40)
            let le := or(or(shl(24, and(v, 0xff)), shl(8, and(v, 0xff00))), or(and(shr(8, v), 0xff00), shr(24, v)))
            mstore8(p, 0)
            mstore(add(p, 1), shl(224, le))
            mstore(add(p, 33), 0)
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 2, p, 65, 0, 32))
            result := mload(0)
        }
        if (!ok) revert HashFailed();
    }

    /// @notice Root to which leaves [a, b) open (SPEC 01 §2.4).
    /// @param offset Calldata position of the bytes of leaves a..b-1, each leafBytes long.
    /// @param levels Depth of the tree.
    /// @param siblings Calldata position of the first sibling.
    /// @param end Calldata position after the payload that holds the siblings.
    /// @return root The root.
    /// @return next Calldata position after the last sibling.
    function openRange(
        uint256 offset,
        uint256 leafBytes,
        uint256 a,
        uint256 b,
        uint256 levels,
        uint256 siblings,
        uint256 end
    ) internal view returns (bytes32 root, uint256 next) {
        if (a >= b || levels > 64 || b > (uint256(1) << levels)) revert RangeOutside(a, b, levels);
        uint256 base;
        bool ok = true;
        assembly ("memory-safe") {
            // Room for one left sibling and a prefix byte per level, then the nodes, then one right sibling.
            let p := mload(0x40)
            base := add(p, shl(5, add(levels, 2)))
            let scratch := add(base, shl(5, add(sub(b, a), 2)))
            mstore8(scratch, 0)
            for { let i := 0 } lt(i, sub(b, a)) { i := add(i, 1) } {
                calldatacopy(add(scratch, 1), add(offset, mul(i, leafBytes)), leafBytes)
                let done := staticcall(gas(), 2, scratch, add(leafBytes, 1), add(base, shl(5, i)), 32)
                ok := and(ok, and(done, eq(returndatasize(), 32)))
            }
        }
        if (!ok) revert HashFailed();
        return _ascend(base, a, b, levels, siblings, end);
    }

    /// @notice Root to which leaves [a, b) open whose hashes lie at calldata position `offset`, one after the other.
    function openHashes(uint256 offset, uint256 a, uint256 b, uint256 levels, uint256 siblings, uint256 end)
        internal
        view
        returns (bytes32 root, uint256 next)
    {
        if (a >= b || levels > 64 || b > (uint256(1) << levels)) revert RangeOutside(a, b, levels);
        uint256 base;
        assembly ("memory-safe") {
            base := add(mload(0x40), shl(5, add(levels, 2)))
            calldatacopy(base, offset, shl(5, sub(b, a)))
        }
        return _ascend(base, a, b, levels, siblings, end);
    }

    /// @notice Root to which hashes in memory open that are the leaves from `a` on.
    function openLeaves(bytes32[] memory leaves, uint256 a, uint256 levels, uint256 siblings, uint256 end)
        internal
        view
        returns (bytes32 root, uint256 next)
    {
        uint256 b = a + leaves.length;
        if (a >= b || levels > 64 || b > (uint256(1) << levels)) revert RangeOutside(a, b, levels);
        uint256 base;
        assembly ("memory-safe") {
            base := add(mload(0x40), shl(5, add(levels, 2)))
            mcopy(base, add(leaves, 32), shl(5, sub(b, a)))
        }
        return _ascend(base, a, b, levels, siblings, end);
    }

    /// @notice Root to which the node `hash` with index `index` at level `level` opens (SPEC 01 §2.5).
    function openNode(bytes32 hash, uint256 level, uint256 index, uint256 levels, uint256 siblings, uint256 end)
        internal
        view
        returns (bytes32 root, uint256 next)
    {
        if (level > levels || levels > 64 || index >= (uint256(1) << (levels - level))) {
            revert RangeOutside(index, index + 1, levels);
        }
        uint256 base;
        assembly ("memory-safe") {
            base := add(mload(0x40), shl(5, add(sub(levels, level), 2)))
            mstore(base, hash)
        }
        return _ascend(base, index, index + 1, levels - level, siblings, end);
    }

    /// @notice Root of `count` hashes at calldata position `offset`, as the first nodes of level `level` of a subtree that
    /// is `levels` high above them; the rest are Z_level.
    function rootOver(uint256 offset, uint256 count, uint256 level, uint256 levels)
        internal
        view
        returns (bytes32 root)
    {
        if (count == 0) return zero(level + levels);
        if (levels > 64 || count > (uint256(1) << levels)) revert RangeOutside(0, count, levels);
        bytes32 z = zero(level);
        uint256 base;
        bool ok = true;
        assembly ("memory-safe") {
            base := add(mload(0x40), 64)
            calldatacopy(base, offset, shl(5, count))
        }
        for (uint256 h = 0; h < levels; ++h) {
            assembly ("memory-safe") {
                if and(count, 1) {
                    mstore(add(base, shl(5, count)), z)
                    count := add(count, 1)
                }
                count := shr(1, count)
                for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                    let pair := sub(add(base, shl(6, i)), 1)
                    mstore8(pair, 1)
                    let done := staticcall(gas(), 2, pair, 65, add(base, shl(5, i)), 32)
                    ok := and(ok, and(done, eq(returndatasize(), 32)))
                }
            }
            if (h + 1 < levels) z = _zeroAbove(z, base, count);
        }
        if (!ok) revert HashFailed();
        assembly ("memory-safe") {
            root := mload(base)
        }
    }

    /// @notice Root of the keccak tree over `count` hashes at calldata position `offset` (SPEC 08 §2).
    function keccakRoot(uint256 offset, uint256 count) internal pure returns (bytes32 root) {
        uint256 levels = depthOf(count);
        assembly ("memory-safe") {
            let base := add(mload(0x40), 64)
            let z := 0
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                mstore8(0, 0)
                mstore(1, calldataload(add(offset, shl(5, i))))
                mstore(add(base, shl(5, i)), keccak256(0, 33))
            }
            for { let h := 0 } lt(h, levels) { h := add(h, 1) } {
                if and(count, 1) {
                    mstore(add(base, shl(5, count)), z)
                    count := add(count, 1)
                }
                count := shr(1, count)
                for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                    let pair := sub(add(base, shl(6, i)), 1)
                    mstore8(pair, 1)
                    mstore(add(base, shl(5, i)), keccak256(pair, 65))
                }
                // The absent node one level up; written behind the nodes in use.
                let p := add(base, shl(5, add(shl(1, count), 2)))
                mstore8(p, 1)
                mstore(add(p, 1), z)
                mstore(add(p, 33), z)
                z := keccak256(p, 65)
            }
            root := mul(mload(base), iszero(iszero(count)))
        }
    }

    /// @notice Root to which `hash`, leaf `index` of a keccak tree over `count` hashes, opens.
    function keccakOpen(bytes32 hash, uint256 index, uint256 count, uint256 siblings, uint256 end)
        internal
        pure
        returns (bytes32 root, uint256 next)
    {
        uint256 levels = depthOf(count);
        if (index >= count) revert RangeOutside(index, index + 1, levels);
        next = siblings + 32 * levels;
        if (next > end) revert SiblingsMissing(end, next);
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore8(0, 0)
            mstore(1, hash)
            root := keccak256(0, 33)
            mstore8(p, 1)
            for { let h := 0 } lt(h, levels) { h := add(h, 1) } {
                let right := and(index, 1)
                mstore(add(add(p, 1), shl(5, right)), root)
                mstore(add(add(p, 1), shl(5, iszero(right))), calldataload(add(siblings, shl(5, h))))
                root := keccak256(p, 65)
                index := shr(1, index)
            }
        }
    }

    /// @dev Hashes nodes [a, b), stored from `base`, up `levels` levels. A pair is hashed in place: its prefix byte
    /// overwrites the last byte of the node before it, which is spent by then; a left sibling moves the base down.
    function _ascend(uint256 base, uint256 a, uint256 b, uint256 levels, uint256 siblings, uint256 end)
        private
        view
        returns (bytes32 root, uint256 next)
    {
        bool ok = true;
        next = siblings;
        assembly ("memory-safe") {
            for {} and(gt(levels, 0), gt(sub(b, a), 1)) { levels := sub(levels, 1) } {
                let count := sub(b, a)
                if and(a, 1) {
                    base := sub(base, 32)
                    mstore(base, calldataload(next))
                    next := add(next, 32)
                    count := add(count, 1)
                }
                if and(b, 1) {
                    mstore(add(base, shl(5, count)), calldataload(next))
                    next := add(next, 32)
                    count := add(count, 1)
                }
                let out := base
                for { let last := add(base, shl(5, count)) } lt(base, last) { base := add(base, 64) } {
                    mstore8(sub(base, 1), 1)
                    ok := and(and(ok, eq(returndatasize(), 32)), staticcall(gas(), 2, sub(base, 1), 65, out, 32))
                    out := add(out, 32)
                }
                base := sub(out, shl(4, count))
                a := shr(1, a)
                b := shr(1, add(b, 1))
            }
            // One node is left: it and its sibling take the two places behind a prefix byte, by the bits of its index.
            let slot := shl(5, and(a, 1))
            let pair := sub(base, 33)
            mstore(add(add(pair, 1), slot), mload(base))
            mstore8(pair, 1)
            for { let last := add(next, shl(5, levels)) } lt(next, last) { next := add(next, 32) } {
                mstore(add(add(pair, 1), xor(slot, 32)), calldataload(next))
                a := shr(1, a)
                slot := shl(5, and(a, 1))
                ok := and(
                    and(ok, eq(returndatasize(), 32)),
                    staticcall(gas(), 2, pair, 65, add(add(pair, 1), slot), 32)
                )
            }
            root := mload(add(add(pair, 1), slot))
        }
        if (!ok) revert HashFailed();
        if (next > end) revert SiblingsMissing(end, next);
    }

    /// @dev SHA-256(01 | z | z), computed behind the `count` nodes at `base` that are still in use.
    function _zeroAbove(bytes32 z, uint256 base, uint256 count) private view returns (bytes32 above) {
        bool ok;
        assembly ("memory-safe") {
            let p := add(base, shl(5, add(shl(1, count), 2)))
            mstore8(p, 1)
            mstore(add(p, 1), z)
            mstore(add(p, 33), z)
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 2, p, 65, 0, 32))
            above := mload(0)
        }
        if (!ok) revert HashFailed();
    }
}
