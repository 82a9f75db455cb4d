// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "./Check.sol";
import {StepVerifier} from "../src/StepVerifier.sol";

contract StepVerifierTest is Check {
    StepVerifier private registry;

    function setUp() public {
        uint8[] memory ops = new uint8[](1);
        address[] memory verifiers = new address[](1);
        (ops[0], verifiers[0]) = (9, address(this));
        registry = new StepVerifier(address(this), ops, verifiers, verifiers);
    }

    function testEntriesAreFound() public {
        registry.register(1, 10, address(registry));
        registry.register(2, 9, address(registry));
        check(address(registry.verifierOf(9)) == address(this), "op 9");
        check(address(registry.verifierOf(10)) == address(registry), "op 10");
        check(address(registry.verifierAt(2, 9)) == address(registry), "version 2");
    }

    function testEntryCannotBeReplaced() public {
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.AlreadyRegistered.selector, 1, 9, address(this)));
        registry.register(1, 9, address(registry));
    }

    function testInputIsRefused() public {
        vm.expectRevert(StepVerifier.InputHasNoVerifier.selector);
        registry.register(1, 0, address(this));
    }

    function testAddressWithoutCodeIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.NoCode.selector, address(1234)));
        registry.register(1, 11, address(1234));
    }

    function testStrangerCannotAdd() public {
        vm.prank(address(77));
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.NotRegistrar.selector, address(77)));
        registry.register(1, 11, address(this));
    }

    function testProofSystemsAreAppended() public {
        check(address(registry.proofsAt(1, 1)) == address(this), "system 1");
        registry.registerSystem(1, 2, address(registry));
        registry.registerSystem(2, 1, address(registry));
        check(address(registry.proofsAt(1, 2)) == address(registry), "system 2");
        check(address(registry.proofsAt(2, 1)) == address(registry), "version 2");
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.SystemRegistered.selector, 1, 1, address(this)));
        registry.registerSystem(1, 1, address(registry));
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.UnknownSystem.selector, 1, 3));
        registry.proofsAt(1, 3);
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.NoCode.selector, address(1234)));
        registry.registerSystem(1, 3, address(1234));
        vm.prank(address(77));
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.NotRegistrar.selector, address(77)));
        registry.registerSystem(1, 3, address(this));
    }

    function testMissingEntryReverts() public {
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.NotRegistered.selector, 1, 12));
        registry.verifierOf(12);
    }
}
