// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Builds the trees of the tests in memory, independently of the library that opens them
library Build {
    struct Tree {
        bytes32[][] levels;
        bytes32[] zeros; // absent node of each level
    }

    function leaf(bytes memory data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(0), data));
    }

    function node(bytes32 l, bytes32 r) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(1), l, r));
    }

    function zero(uint256 h) internal pure returns (bytes32 z) {
        for (uint256 i = 0; i < h; ++i) {
            z = node(z, z);
        }
    }

    function depth(uint256 count) internal pure returns (uint256 d) {
        while ((uint256(1) << d) < count) ++d;
    }

    /// @notice Tree of `height` levels over nodes that stand at level `base`.
    function tree(bytes32[] memory nodes, uint256 height, uint256 base) internal pure returns (Tree memory t) {
        t.levels = new bytes32[][](height + 1);
        t.zeros = new bytes32[](height + 1);
        t.zeros[0] = zero(base);
        t.levels[0] = nodes;
        for (uint256 h = 0; h < height; ++h) {
            bytes32[] memory below = t.levels[h];
            bytes32[] memory above = new bytes32[]((below.length + 1) / 2);
            for (uint256 i = 0; i < above.length; ++i) {
                above[i] = node(below[2 * i], 2 * i + 1 < below.length ? below[2 * i + 1] : t.zeros[h]);
            }
            t.levels[h + 1] = above;
            t.zeros[h + 1] = node(t.zeros[h], t.zeros[h]);
        }
    }

    /// @notice Tree over the leaves of `data`, zero-padded.
    function ofBytes(bytes memory data, uint256 leafBytes) internal pure returns (Tree memory) {
        uint256 n = (data.length + leafBytes - 1) / leafBytes;
        bytes32[] memory nodes = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            nodes[i] = leaf(leafAt(data, leafBytes, i));
        }
        return tree(nodes, depth(n), 0);
    }

    function leafAt(bytes memory data, uint256 leafBytes, uint256 i) internal pure returns (bytes memory out) {
        out = new bytes(leafBytes);
        for (uint256 k = 0; k < leafBytes && i * leafBytes + k < data.length; ++k) {
            out[k] = data[i * leafBytes + k];
        }
    }

    function leaves(bytes memory data, uint256 leafBytes, uint256 a, uint256 b) internal pure returns (bytes memory out) {
        for (uint256 i = a; i < b; ++i) {
            out = bytes.concat(out, leafAt(data, leafBytes, i));
        }
    }

    function get(Tree memory t, uint256 h, uint256 i) internal pure returns (bytes32) {
        return i < t.levels[h].length ? t.levels[h][i] : t.zeros[h];
    }

    function root(Tree memory t) internal pure returns (bytes32) {
        return get(t, t.levels.length - 1, 0);
    }

    /// @notice Siblings of nodes [a, b) of `level`, up to level `top` (SPEC 01 §2.4).
    function sib(Tree memory t, uint256 level, uint256 a, uint256 b, uint256 top) internal pure returns (bytes memory s) {
        for (uint256 h = level; h < top; ++h) {
            if (a & 1 == 1) s = abi.encodePacked(s, get(t, h, a - 1));
            if (b & 1 == 1) s = abi.encodePacked(s, get(t, h, b));
            (a, b) = (a / 2, (b + 1) / 2);
        }
    }

    function sib(Tree memory t, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return sib(t, 0, a, b, t.levels.length - 1);
    }

    /// @notice Root, or path of leaf i, of the keccak tree over hashes.
    function list(bytes32[] memory hashes, uint256 i) internal pure returns (bytes32 top, bytes memory p) {
        uint256 d = depth(hashes.length);
        bytes32[] memory level = new bytes32[](uint256(1) << d);
        for (uint256 k = 0; k < hashes.length; ++k) {
            level[k] = keccak256(abi.encodePacked(uint8(0), hashes[k]));
        }
        for (uint256 n = level.length; n > 1; n /= 2) {
            p = abi.encodePacked(p, level[i ^ 1]);
            for (uint256 k = 0; k < n / 2; ++k) {
                level[k] = keccak256(abi.encodePacked(uint8(1), level[2 * k], level[2 * k + 1]));
            }
            i /= 2;
        }
        top = level[0];
    }

    function path(bytes32[] memory hashes, uint256 i) internal pure returns (bytes memory p) {
        (, p) = list(hashes, i);
    }

    /// @notice Little-endian two's complement of `size` bytes.
    function le(int256 v, uint256 size) internal pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            out[i] = bytes1(uint8(uint256(v) >> (8 * i)));
        }
    }

    function pack(bytes32[] memory hashes) internal pure returns (bytes memory) {
        return abi.encodePacked(hashes);
    }
}
