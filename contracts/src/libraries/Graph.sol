// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Descriptors} from "./Descriptors.sol";
import {GameState as G} from "./GameState.sol";
import {Packed} from "./Packed.sol";
import {States} from "./States.sol";
import {Trees} from "./Trees.sol";

/// @title Openings of descriptors in the graph tree (SPEC 06 §1.3) and the geometry of their targets
library Graph {
    /// @notice The target's leaf size or type is not valid, or it is larger than 2^64 - 1 bytes.
    error BadTarget(uint256 leafBytes, uint256 elementType, uint256 totalBytes);

    /// @notice Requires that the 192 bytes at `pos`, with the siblings after them, are the descriptor of a tensor of the
    /// game's stage in the graph tree (SPEC 06 §1.3).
    function openDescriptor(bytes memory s, uint256 tensor, uint256 pos, uint256 end)
        internal
        view
        returns (uint256 next)
    {
        uint256 stages = G.get(s, G.LAYERS) + (G.flag(s, G.GRAPH) ? 0 : 3);
        uint256 index = 128 * G.get(s, G.STAGE) + tensor;
        bytes32 root;
        (root, next) =
            Trees.openRange(pos, 192, index, index + 1, 7 + Trees.depthOf(stages), Packed.take(pos, 192, end), end);
        States.same(root, G.word(s, G.GRAPH_ROOT));
    }

    /// @notice Bytes and leaf size of the target at t.
    function geometry(bytes calldata d, uint256 t) internal pure returns (uint256 total, uint256 leafBytes) {
        (uint256 a, uint256 b, uint256 c) = Descriptors.dims(d, t);
        uint256 elementType = Descriptors.elementType(d);
        leafBytes = Descriptors.leafSize(d);
        if (elementType == 0 || elementType > 4 || leafBytes == 0 || leafBytes & 7 != 0) {
            revert BadTarget(leafBytes, elementType, 0);
        }
        total = (a * b * c) << (elementType - 1);
        if (total > type(uint64).max) revert BadTarget(leafBytes, elementType, total);
    }
}
