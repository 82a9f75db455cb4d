// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBeacon} from "./interfaces/IBeacon.sol";
import {Bls} from "./libraries/Bls.sol";

/// @title One beacon's rounds, each checked when it is posted; see IBeacon
contract Beacon is IBeacon {
    /// @dev Bits of a round's slot for the time of posting; the others are those of the seed.
    uint256 private constant TIME_BITS = 40;

    /// @notice When round 1 was due, unix seconds.
    uint256 public immutable GENESIS;
    /// @notice Seconds from round to round.
    uint256 public immutable PERIOD;
    bytes32 private immutable K0;
    bytes32 private immutable K1;
    bytes32 private immutable K2;
    bytes32 private immutable K3;
    bytes32 private immutable K4;
    bytes32 private immutable K5;
    bytes32 private immutable K6;
    bytes32 private immutable K7;

    mapping(uint256 round => uint256) private _rounds;

    /// @param words The public key: x and y in G2, each coordinate's two parts as 64 bytes.
    constructor(bytes32[8] memory words, uint256 genesis, uint256 period) {
        if (period == 0 || !Bls.isKey(abi.encodePacked(words))) revert BadKey();
        (GENESIS, PERIOD) = (genesis, period);
        (K0, K1, K2, K3) = (words[0], words[1], words[2], words[3]);
        (K4, K5, K6, K7) = (words[4], words[5], words[6], words[7]);
    }

    /// @inheritdoc IBeacon
    function post(uint256 round, bytes calldata signature) external returns (bytes32 seed) {
        if (_rounds[round] != 0) revert RoundKnown(round);
        if (round == 0 || round > type(uint64).max || signature.length != 96) revert BadRound(round);
        bytes32 message = sha256(abi.encodePacked(uint64(round)));
        if (!Bls.verify(signature, message, key())) revert BadRound(round);
        uint256 slot = ((uint256(sha256(Bls.compress(signature))) >> TIME_BITS) << TIME_BITS) | block.timestamp;
        _rounds[round] = slot;
        seed = bytes32((slot >> TIME_BITS) << TIME_BITS);
        emit Round(round, seed);
    }

    /// @notice The public key as 256 bytes.
    function key() public view returns (bytes memory) {
        return abi.encodePacked(K0, K1, K2, K3, K4, K5, K6, K7);
    }

    /// @inheritdoc IBeacon
    function seedOf(uint256 round) external view returns (bytes32 seed, uint256 postedAt) {
        uint256 slot = _rounds[round];
        (seed, postedAt) = (bytes32((slot >> TIME_BITS) << TIME_BITS), uint40(slot));
    }

    /// @inheritdoc IBeacon
    function roundAt(uint256 time) external view returns (uint256 round) {
        round = time <= GENESIS ? 1 : (time - GENESIS + PERIOD - 1) / PERIOD + 1;
    }

    /// @inheritdoc IBeacon
    function timeOf(uint256 round) external view returns (uint256 time) {
        time = GENESIS + (round == 0 ? 0 : round - 1) * PERIOD;
    }
}
