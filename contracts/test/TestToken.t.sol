// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "./Check.sol";
import {TestToken} from "../src/TestToken.sol";

/// @notice Transfers by signature (EIP-3009): once, in their time, as signed.
contract TestTokenTest is Check {
    TestToken internal token;
    uint256 internal constant KEY = 0xA11CE;
    uint256 internal constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    address internal payer;
    address internal shop = address(0x5409);

    function setUp() public {
        token = new TestToken();
        payer = vm.addr(KEY);
        token.mint(payer, 100);
        vm.warp(1000);
    }

    function _digest(bytes32 message) internal view returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), message));
    }

    function _sign(uint256 key, uint256 value, uint256 from, uint256 until, bytes32 nonce)
        internal
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 kind = token.TRANSFER_WITH_AUTHORIZATION_TYPEHASH();
        return vm.sign(key, _digest(keccak256(abi.encode(kind, payer, shop, value, from, until, nonce))));
    }

    function testAnAuthorizationMovesTokensOnce() public {
        (uint8 v, bytes32 r, bytes32 s) = _sign(KEY, 40, 999, 1001, "n");
        token.transferWithAuthorization(payer, shop, 40, 999, 1001, "n", v, r, s);
        same(token.balanceOf(shop), 40, "paid");
        same(token.balanceOf(payer), 60, "left");
        check(token.authorizationState(payer, "n"), "the nonce is used");
        vm.expectRevert(abi.encodeWithSelector(TestToken.NonceUsed.selector, payer, bytes32("n")));
        token.transferWithAuthorization(payer, shop, 40, 999, 1001, "n", v, r, s);
    }

    function testAnAuthorizationHasItsTime() public {
        (uint8 v, bytes32 r, bytes32 s) = _sign(KEY, 40, 1000, 1001, "n");
        vm.expectRevert(abi.encodeWithSelector(TestToken.NotYetValid.selector, 1000, 1000));
        token.transferWithAuthorization(payer, shop, 40, 1000, 1001, "n", v, r, s);
        (v, r, s) = _sign(KEY, 40, 999, 1000, "n");
        vm.expectRevert(abi.encodeWithSelector(TestToken.Expired.selector, 1000, 1000));
        token.transferWithAuthorization(payer, shop, 40, 999, 1000, "n", v, r, s);
    }

    function testOnlyTheOwnerAuthorizesAndOnlyWhatIsSigned() public {
        (uint8 v, bytes32 r, bytes32 s) = _sign(KEY + 1, 40, 999, 1001, "n");
        vm.expectRevert(abi.encodeWithSelector(TestToken.NotTheSigner.selector, payer));
        token.transferWithAuthorization(payer, shop, 40, 999, 1001, "n", v, r, s);
        (v, r, s) = _sign(KEY, 40, 999, 1001, "n");
        vm.expectRevert(abi.encodeWithSelector(TestToken.NotTheSigner.selector, payer));
        token.transferWithAuthorization(payer, shop, 41, 999, 1001, "n", v, r, s);
        vm.expectRevert(abi.encodeWithSelector(TestToken.NotTheSigner.selector, payer));
        token.transferWithAuthorization(payer, shop, 40, 999, 1001, "n", 55 - v, r, bytes32(ORDER - uint256(s)));
        vm.expectRevert(abi.encodeWithSelector(TestToken.NotTheSigner.selector, address(0)));
        token.transferWithAuthorization(address(0), shop, 40, 999, 1001, "n", 0, r, s);
        same(token.balanceOf(payer), 100, "nothing moved");
    }

    function testMoreThanThereIsIsNotMoved() public {
        (uint8 v, bytes32 r, bytes32 s) = _sign(KEY, 101, 999, 1001, "n");
        vm.expectRevert(abi.encodeWithSelector(TestToken.Insufficient.selector, payer, 100, 101));
        token.transferWithAuthorization(payer, shop, 101, 999, 1001, "n", v, r, s);
        check(!token.authorizationState(payer, "n"), "the nonce is free");
    }

    function testACancelledAuthorizationIsVoid() public {
        bytes32 kind = token.CANCEL_AUTHORIZATION_TYPEHASH();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, _digest(keccak256(abi.encode(kind, payer, bytes32("n")))));
        token.cancelAuthorization(payer, "n", v, r, s);
        (v, r, s) = _sign(KEY, 40, 999, 1001, "n");
        vm.expectRevert(abi.encodeWithSelector(TestToken.NonceUsed.selector, payer, bytes32("n")));
        token.transferWithAuthorization(payer, shop, 40, 999, 1001, "n", v, r, s);
    }
}
