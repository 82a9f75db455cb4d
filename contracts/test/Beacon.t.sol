// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "./Check.sol";
import {Beacon} from "../src/Beacon.sol";
import {IBeacon} from "../src/interfaces/IBeacon.sol";

/// @notice Rounds of drand's quicknet, as published, on the precompiled contracts of EIP-2537. SPEC 11 §2.
contract BeaconTest is Check {
    Beacon private beacon;

    bytes private constant ROUND_1000 =
        hex"144679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
        hex"11f92e4521ef54f047b64b85fa98db2d46f0f44add1f60b93f8a0dbddd63b34f238657c2d93aed18b90bddd60a01b6d2";
    bytes private constant ROUND_123 =
        hex"175c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92"
        hex"0f3894d8ccd4bb5edc3fca0f1f67f658559b86a360dd0128c3b64c12141372bb22276f0a00720b51125a9996b722b23f";
    bytes32 private constant RANDOMNESS_1000 = 0xfe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd;

    function _key() private pure returns (bytes32[8] memory k) {
        k[0] = 0x000000000000000000000000000000000d1fec758c921cc22b0e17e63aaf4bcb;
        k[1] = 0x5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a;
        k[2] = 0x0000000000000000000000000000000003cf0f2896adee7eb8b5f01fcad39122;
        k[3] = 0x12c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451;
        k[4] = 0x000000000000000000000000000000000e5db2b6bfbb01c867749cadffca88b3;
        k[5] = 0x6c24f3012ba09fc4d3022c5c37dce0f977d3adb5d183c7477c442b1f04515273;
        k[6] = 0x0000000000000000000000000000000001a714f2edb74119a2f2b0d5a7c75ba9;
        k[7] = 0x02d163700a61bc224ededd8e63aef7be1aaf8e93d7a9718b047ccddb3eb5d68b;
    }

    function setUp() public {
        vm.warp(1_800_000_000);
        beacon = new Beacon(_key(), 1692803367, 3);
    }

    function testPublishedRoundVerifies() public {
        bytes32 seed = beacon.post(1000, ROUND_1000);
        same(seed, RANDOMNESS_1000 & ~bytes32(uint256(type(uint40).max)), "seed");
        (bytes32 kept, uint256 time) = beacon.seedOf(1000);
        same(kept, seed, "kept");
        same(time, block.timestamp, "time");
        // Its y is in the other half of the field.
        bytes memory short = ROUND_123;
        beacon.post(123, short);
        vm.expectRevert(abi.encodeWithSelector(IBeacon.RoundKnown.selector, 123));
        beacon.post(123, short);
    }

    function testTheSeedIsThatOfTheCompressedSignature() public {
        bytes32 want = sha256(
            hex"b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92"
        );
        same(beacon.post(123, ROUND_123), (want >> 40) << 40, "seed");
    }

    function testAnotherRoundOrSignatureIsRefused() public {
        _refused(1001, ROUND_1000);
        _refused(0, ROUND_1000);
        _refused(1000, ROUND_123);
        _refused(1000, bytes.concat(ROUND_1000, hex"00"));
        _refused(1000, new bytes(96)); // the neutral point
        bytes memory changed = ROUND_1000;
        changed[95] ^= 0x01; // on no curve
        _refused(1000, changed);
    }

    /// @dev -y is on the curve, too, and signs nothing.
    function testTheNegatedSignatureIsRefused() public {
        uint256 low = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
        uint256 high = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
        uint256 yHigh = 0x11f92e4521ef54f047b64b85fa98db2d;
        uint256 yLow = 0x46f0f44add1f60b93f8a0dbddd63b34f238657c2d93aed18b90bddd60a01b6d2;
        uint256 lowDiff;
        unchecked {
            lowDiff = low - yLow;
        }
        uint256 highDiff = high - yHigh - (yLow > low ? 1 : 0);
        bytes memory x = new bytes(48);
        for (uint256 i = 0; i < 48; ++i) {
            x[i] = ROUND_1000[i];
        }
        _refused(1000, abi.encodePacked(x, uint128(highDiff), lowDiff));
    }

    function _refused(uint256 round, bytes memory signature) private {
        vm.expectRevert(abi.encodeWithSelector(IBeacon.BadRound.selector, round));
        beacon.post(round, signature);
    }

    function testAKeyIsAPointOfItsGroup() public {
        bytes32[8] memory k = _key();
        k[7] ^= bytes32(uint256(1));
        vm.expectRevert(IBeacon.BadKey.selector);
        new Beacon(k, 0, 3);
        bytes32[8] memory none;
        vm.expectRevert(IBeacon.BadKey.selector);
        new Beacon(none, 0, 3);
        vm.expectRevert(IBeacon.BadKey.selector);
        new Beacon(_key(), 0, 0);
    }

    function testRoundsHaveTimes() public view {
        same(beacon.roundAt(0), 1, "before the first");
        same(beacon.roundAt(1692803367), 1, "the first");
        same(beacon.roundAt(1692803368), 2, "just after");
        same(beacon.roundAt(1692803370), 2, "the second");
        same(beacon.timeOf(1000), 1692803367 + 999 * 3, "due");
        same(beacon.roundAt(beacon.timeOf(1000)), 1000, "there and back");
    }

    /// @dev Ceiling of the gas of a post without the transaction itself (21,000 and 4,000 of calldata).
    function testGasOfARound() public {
        uint256 before = gasleft();
        beacon.post(1000, ROUND_1000);
        uint256 used = before - gasleft();
        check(used < 165_000, "gas");
    }
}
