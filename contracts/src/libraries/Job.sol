// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Packed} from "./Packed.sol";

/// @title The job of a game: 296 packed bytes (SPEC 08 §1), read at a calldata position
library Job {
    /// @notice The job does not hash to the game's job hash.
    error WrongJob(bytes32 got, bytes32 want);

    uint256 internal constant SIZE = 296;

    function check(uint256 pos, bytes32 want) internal pure {
        bytes32 got = Packed.hash(pos, SIZE);
        if (got != want) revert WrongJob(got, want);
    }

    function promptRoot(uint256 pos) internal pure returns (bytes32) {
        return Packed.word(pos + 32);
    }

    function stopRoot(uint256 pos) internal pure returns (bytes32) {
        return Packed.word(pos + 64);
    }

    function stateRoot(uint256 pos) internal pure returns (bytes32) {
        return Packed.word(pos + 96);
    }

    function outputRoot(uint256 pos) internal pure returns (bytes32) {
        return Packed.word(pos + 128);
    }

    function seed(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 160, 8);
    }

    function promptCount(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 168, 4);
    }

    function count(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 172, 4);
    }

    function maxNew(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 176, 4);
    }

    function temperature(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 180, 4);
    }

    function tMax(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 188, 4);
    }

    /// @notice Whether each id of the prompt has a leaf of its own, with a salt (SPEC 06 §3.8).
    function salted(uint256 pos) internal pure returns (bool) {
        return Packed.uintAt(pos + 194, 1) > 127;
    }

    function finish(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 195, 1);
    }

    function stopCount(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 196, 1);
    }

    function dPos(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 197, 1);
    }

    function user(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 200, 20);
    }

    function price(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 220, 16);
    }

    /// @notice topK, topP, minP, repetition, presence, frequency, stopLengths as they stand, 28 bytes.
    function settings(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 236, 28);
    }

    /// @notice Whether the draw looks at how often tokens have occurred: repetition, presence or frequency is not 0.
    function counts(uint256 pos) internal pure returns (bool) {
        return Packed.uintAt(pos + 248, 12) != 0;
    }

    /// @notice Lengths of the stop strings, 0 without any.
    function stopLengths(uint256 pos) internal pure returns (uint256) {
        return Packed.uintAt(pos + 260, 4);
    }

    /// @notice What the job holds of the roots of bias, stop strings and grammar, 0 without any.
    function lists(uint256 pos) internal pure returns (bytes32) {
        return Packed.word(pos + 264);
    }
}
