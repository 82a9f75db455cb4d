// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Court} from "./Court.sol";

/// @notice Random histories of games, stakes and time: SPEC 08 §5, 09 §1.2, §2, §4. A call of Court that fails is a failure.
contract InvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Court private _court;

    function setUp() public {
        _court = new Court();
        _court.setUp();
    }

    function targetContracts() public view returns (address[] memory all) {
        all = new address[](1);
        all[0] = address(_court);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory all) {
        all = new FuzzSelector[](1);
        all[0].addr = address(_court);
        all[0].selectors = new bytes4[](14);
        (all[0].selectors[0], all[0].selectors[1]) = (Court.start.selector, Court.move.selector);
        (all[0].selectors[2], all[0].selectors[3]) = (Court.move.selector, Court.move.selector);
        (all[0].selectors[4], all[0].selectors[5]) = (Court.timeout.selector, Court.resolve.selector);
        (all[0].selectors[6], all[0].selectors[7]) = (Court.replay.selector, Court.settle.selector);
        (all[0].selectors[8], all[0].selectors[9]) = (Court.wait_.selector, Court.post.selector);
        (all[0].selectors[10], all[0].selectors[11]) = (Court.release.selector, Court.unbond.selector);
        (all[0].selectors[12], all[0].selectors[13]) = (Court.leave.selector, Court.start.selector);
    }

    function invariantMoneyAndClocks() public view {
        _court.solvent();
    }
}
