// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "../Check.sol";
import {Trees} from "../../src/libraries/Trees.sol";

/// @notice Calls the library with calldata positions, as the arena does.
contract TreesHarness {
    function openRange(bytes calldata leaves, uint256 leafBytes, uint256 a, uint256 levels, bytes calldata siblings)
        external
        view
        returns (bytes32 root, uint256 used)
    {
        (uint256 offset, uint256 first) = (_at(leaves), _at(siblings));
        (root, used) = Trees.openRange(
            offset, leafBytes, a, a + leaves.length / leafBytes, levels, first, first + siblings.length
        );
        used -= first;
    }

    function openNode(bytes32 hash, uint256 level, uint256 index, uint256 levels, bytes calldata siblings)
        external
        view
        returns (bytes32 root, uint256 used)
    {
        uint256 first = _at(siblings);
        (root, used) = Trees.openNode(hash, level, index, levels, first, first + siblings.length);
        used -= first;
    }

    function rootOver(bytes calldata hashes, uint256 level, uint256 levels) external view returns (bytes32) {
        return Trees.rootOver(_at(hashes), hashes.length / 32, level, levels);
    }

    function keccakRoot(bytes calldata hashes) external pure returns (bytes32) {
        return Trees.keccakRoot(_at(hashes), hashes.length / 32);
    }

    function keccakOpen(bytes32 hash, uint256 index, uint256 count, bytes calldata siblings)
        external
        pure
        returns (bytes32 root, uint256 used)
    {
        uint256 first = _at(siblings);
        (root, used) = Trees.keccakOpen(hash, index, count, first, first + siblings.length);
        used -= first;
    }

    function leaf(bytes calldata content) external view returns (bytes32) {
        return Trees.leaf(_at(content), content.length);
    }

    function leafOfI32(int32 v) external view returns (bytes32) {
        return Trees.leafOfI32(v);
    }

    function gasOfPath(bytes32 hash, uint256 levels, bytes calldata siblings) external view returns (uint256 used) {
        uint256 first = _at(siblings);
        used = gasleft();
        Trees.openNode(hash, 0, 0, levels, first, first + siblings.length);
        used -= gasleft();
    }

    function _at(bytes calldata b) private pure returns (uint256 offset) {
        assembly ("memory-safe") {
            offset := b.offset
        }
    }
}

contract TreesTest is Check {
    bytes32 private constant ROOT_1 = 0x0eeb0aabefd1a990a6a100e5bde6d1a11c24774575456b26a317f55b18a3d698;
    bytes32 private constant ROOT_64 = 0xd7b08e9ac5d272bfe86bd0c16c033defd3cc6bacadd05622f63bdcb0b0286c4f;
    bytes32 private constant ROOT_200 = 0x65b78e290e894487cf194b8cd6698ae131cd538dea8ba58fb2495c321d8cb3fe;
    bytes32 private constant ROOT_1000 = 0xdd133ba1be8c00a21acf52138a8a65d133051589a8c10f2d66212bbdb032964d;
    bytes32 private constant ROOT_5000 = 0x812b910d738230432da780e96389afe0a1f49cb8463d5bf8c6fe87852ff0d242;
    bytes32 private constant Z_5 = 0xf1a0a71a6550c41bc8d4dac4f186b6d274a839f2f95ad9e3bb651d45810c5a1f;

    TreesHarness private trees;

    function setUp() public {
        trees = new TreesHarness();
    }

    /// SPEC 01 §2: roots computed by the Go implementation over bytes 7i + 3.
    function testRootsEqualThoseOfTheGoTwin() public view {
        _whole(1, 64, ROOT_1);
        _whole(64, 64, ROOT_64);
        _whole(200, 64, ROOT_200);
        _whole(1000, 64, ROOT_1000);
        _whole(5000, 512, ROOT_5000);
        same(Trees.zero(5), Z_5, "Z_5");
    }

    /// SPEC 01 §2.2: every zero subtree, the heights that are constants among them.
    function testZeroSubtreesFollowFromEachOther() public view {
        bytes32 z;
        for (uint256 h = 0; h < 65; ++h) {
            same(Trees.zero(h), z, "zero");
            z = Trees.node(z, z);
        }
    }

    /// SPEC 01 §2.4: any range of any tree opens to its root with exactly the siblings that the rule names.
    function testFuzzEveryRangeOpens(uint256 seed) public view {
        uint256 count = 1 + seed % 40;
        uint256 a = (seed >> 16) % count;
        uint256 b = a + 1 + (seed >> 32) % (count - a);
        uint256 levels = Trees.depthOf(count);
        bytes memory content = _content(64 * count);
        bytes32[][] memory tree = _tree(content, 64, levels);
        bytes memory siblings = _siblings(tree, 0, a, b, levels);
        (bytes32 root, uint256 used) = trees.openRange(_cut(content, 64 * a, 64 * b), 64, a, levels, siblings);
        same(root, tree[levels][0], "root");
        same(used, siblings.length, "siblings used");
    }

    /// SPEC 01 §2.5.
    function testFuzzEveryNodeOpens(uint256 seed) public view {
        uint256 count = 1 + seed % 40;
        uint256 levels = Trees.depthOf(count);
        uint256 level = (seed >> 16) % (levels + 1);
        uint256 i = (seed >> 32) % (uint256(1) << (levels - level));
        bytes32[][] memory tree = _tree(_content(64 * count), 64, levels);
        bytes memory siblings = _siblings(tree, level, i, i + 1, levels);
        (bytes32 root, uint256 used) = trees.openNode(tree[level][i], level, i, levels, siblings);
        same(root, tree[levels][0], "root");
        same(used, siblings.length, "siblings used");
    }

    /// Posted children, absent ones left out, hash to their subtree.
    function testFuzzListedNodesHashToTheRoot(uint256 seed) public view {
        uint256 count = 1 + seed % 40;
        uint256 levels = Trees.depthOf(count);
        uint256 level = (seed >> 16) % (levels + 1);
        bytes32[][] memory tree = _tree(_content(64 * count), 64, levels);
        bytes memory listed;
        for (uint256 i = 0; i << level < count; ++i) {
            listed = bytes.concat(listed, tree[level][i]);
        }
        same(trees.rootOver(listed, level, levels - level), tree[levels][0], "root");
        same(trees.rootOver("", level, 3), Trees.zero(level + 3), "nothing listed");
    }

    /// SPEC 08 §2: root and openings of keccak trees, against a plain computation.
    function testFuzzKeccakTrees(uint256 seed) public view {
        uint256 count = 1 + seed % 40;
        uint256 levels = Trees.depthOf(count);
        bytes32[] memory nodes = new bytes32[](1 << levels);
        bytes memory packed;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 h = keccak256(abi.encode(seed, i));
            packed = bytes.concat(packed, h);
            nodes[i] = keccak256(bytes.concat(hex"00", h));
        }
        uint256 index = (seed >> 32) % count;
        bytes memory siblings;
        uint256 i0 = index;
        for (uint256 h = 0; h < levels; ++h) {
            siblings = bytes.concat(siblings, nodes[i0 ^ 1]);
            i0 >>= 1;
            for (uint256 i = 0; i < 1 << (levels - h - 1); ++i) {
                nodes[i] = keccak256(bytes.concat(hex"01", nodes[2 * i], nodes[2 * i + 1]));
            }
        }
        same(trees.keccakRoot(packed), nodes[0], "root");
        (bytes32 root, uint256 used) = trees.keccakOpen(keccak256(abi.encode(seed, index)), index, count, siblings);
        same(root, nodes[0], "opened");
        same(used, siblings.length, "siblings used");
    }

    function testMissingSiblingReverts() public {
        bytes memory content = _content(192);
        bytes32[][] memory tree = _tree(content, 64, 2);
        bytes memory siblings = _siblings(tree, 0, 1, 2, 2);
        vm.expectRevert(Trees.SiblingsMissing.selector);
        this.callShort(_cut(content, 64, 128), _cut(siblings, 0, siblings.length - 1));
    }

    function callShort(bytes calldata leaf, bytes calldata siblings) external view {
        (bool ok, bytes memory reason) =
            address(trees).staticcall(abi.encodeCall(trees.openRange, (leaf, 64, 1, 2, siblings)));
        check(!ok, "short siblings opened");
        bytes4 selector = bytes4(reason);
        assembly {
            mstore(0, selector)
            revert(0, 4)
        }
    }

    function testRangeOutsideTheTreeReverts() public {
        vm.expectRevert(abi.encodeWithSelector(Trees.RangeOutside.selector, 4, 5, 2));
        trees.openRange(_content(64), 64, 4, 2, _content(64));
        vm.expectRevert(abi.encodeWithSelector(Trees.RangeOutside.selector, 3, 3, 2));
        trees.openRange("", 64, 3, 2, _content(64));
        vm.expectRevert(abi.encodeWithSelector(Trees.RangeOutside.selector, 2, 3, 2));
        trees.openNode(0, 1, 2, 2, _content(64));
        vm.expectRevert(abi.encodeWithSelector(Trees.RangeOutside.selector, 5, 6, 3));
        trees.keccakOpen(0, 5, 5, _content(96));
    }

    /// A call short of gas reverts or gives the right root: no hash that failed ever counts.
    function testStarvedPrecompileNeverCounts() public view {
        bytes memory content = _content(64 * 16);
        bytes memory input = abi.encodeCall(trees.openRange, (content, 64, 0, 4, ""));
        bytes32 want = _tree(content, 64, 4)[4][0];
        uint256 failed;
        uint256 opened;
        for (uint256 g = 2000; g < 30_000; g += 61) {
            (bool ok, bytes memory out) = address(trees).staticcall{gas: g}(input);
            if (!ok) {
                ++failed;
                continue;
            }
            ++opened;
            same(abi.decode(out, (bytes32)), want, "root with little gas");
        }
        check(failed > 0 && opened > 0, "the gas range misses the limit");
    }

    /// A precompile that returns nothing (an address without code succeeds so) is refused.
    function testPrecompileWithoutResultReverts() public {
        bytes memory content = _content(128);
        vm.mockCall(address(2), "", "");
        vm.expectRevert(Trees.HashFailed.selector);
        trees.openRange(content, 64, 0, 1, "");
        vm.expectRevert(Trees.HashFailed.selector);
        trees.openNode(0, 0, 0, 2, content);
        vm.expectRevert(Trees.HashFailed.selector);
        trees.leafOfI32(1);
        vm.expectRevert(Trees.HashFailed.selector);
        trees.leaf(content);
        vm.expectRevert(Trees.HashFailed.selector);
        trees.rootOver(content, 0, 2);
    }

    function testOneIdLeafEqualsItsBytes() public view {
        bytes memory padded = new bytes(64);
        (padded[0], padded[1], padded[2], padded[3]) = (hex"fe", hex"ff", hex"ff", hex"ff");
        same(trees.leafOfI32(-2), trees.leaf(padded), "-2");
        (padded[0], padded[1], padded[2], padded[3]) = (hex"78", hex"56", hex"34", hex"12");
        same(trees.leafOfI32(0x12345678), trees.leaf(padded), "0x12345678");
    }

    /// Paths are most of an answer's execution: 130 nodes are to stay near 50,000 gas.
    function testANodeCostsAtMost400Gas() public view {
        uint256 used = trees.gasOfPath(bytes32(uint256(1)), 40, _content(32 * 40));
        check(used <= 400 * 40, "a node costs more than 400 gas");
    }

    function _whole(uint256 size, uint256 leafBytes, bytes32 want) private view {
        bytes memory content = _content(size);
        bytes memory padded = new bytes((size + leafBytes - 1) / leafBytes * leafBytes);
        for (uint256 i = 0; i < size; ++i) {
            padded[i] = content[i];
        }
        uint256 levels = Trees.depth(size, leafBytes);
        bytes32[][] memory tree = _tree(padded, leafBytes, levels);
        same(tree[levels][0], want, "root of the plain tree");
        uint256 count = padded.length / leafBytes;
        (bytes32 root,) = trees.openRange(padded, leafBytes, 0, levels, _siblings(tree, 0, 0, count, levels));
        same(root, want, "root of the opening");
    }

    function _content(uint256 size) private pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            out[i] = bytes1(uint8(i * 7 + 3));
        }
    }

    function _cut(bytes memory b, uint256 lo, uint256 hi) private pure returns (bytes memory out) {
        out = new bytes(hi - lo);
        for (uint256 i = lo; i < hi; ++i) {
            out[i - lo] = b[i];
        }
    }

    /// @dev All levels of the padded tree, written from §2.2 and §2.3 without regard to cost.
    function _tree(bytes memory content, uint256 leafBytes, uint256 levels)
        private
        pure
        returns (bytes32[][] memory tree)
    {
        tree = new bytes32[][](levels + 1);
        tree[0] = new bytes32[](1 << levels);
        for (uint256 i = 0; i < content.length / leafBytes; ++i) {
            tree[0][i] = sha256(bytes.concat(hex"00", _cut(content, i * leafBytes, (i + 1) * leafBytes)));
        }
        for (uint256 h = 1; h <= levels; ++h) {
            tree[h] = new bytes32[](1 << (levels - h));
            for (uint256 i = 0; i < tree[h].length; ++i) {
                tree[h][i] = sha256(bytes.concat(hex"01", tree[h - 1][2 * i], tree[h - 1][2 * i + 1]));
            }
        }
    }

    /// @dev §2.4, word by word.
    function _siblings(bytes32[][] memory tree, uint256 level, uint256 a, uint256 b, uint256 levels)
        private
        pure
        returns (bytes memory out)
    {
        for (uint256 h = level; h < levels; ++h) {
            if (a % 2 == 1) out = bytes.concat(out, tree[h][a - 1]);
            if (b % 2 == 1) out = bytes.concat(out, tree[h][b]);
            a = a / 2;
            b = (b + 1) / 2;
        }
    }
}
