// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title BLS signatures in G1 of BLS12-381 by the precompiled contracts of EIP-2537
/// @notice Hashing to the curve is that of RFC 9380, suite BLS12381G1_XMD:SHA-256_SSWU_RO, with the tag of drand's unchained
/// networks. Every call is checked for success and size: starved of gas it reverts.
library Bls {
    /// @notice A precompiled contract refused its input or had too little gas.
    error PrecompileFailed(uint256 number);

    uint256 private constant MODEXP = 5;
    uint256 private constant G1_ADD = 11;
    uint256 private constant PAIRING = 15;
    uint256 private constant MAP_TO_G1 = 16;
    /// @dev Several times what two pairings cost (102,900).
    uint256 private constant PAIRING_GAS = 1_000_000;

    /// @dev Domain tag and its length.
    bytes private constant TAG = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_\x2b";
    /// @dev The prime of the field, and half of it less one half: 16 and 32 bytes.
    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    uint256 private constant HALF_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;
    /// @dev The generator of G2, negated.
    bytes private constant MINUS_G2 =
        hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        hex"000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bcb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa"
        hex"0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed";

    /// @notice Whether 96 bytes x, y are the signature of a message of 32 bytes under a key of 256 bytes.
    function verify(bytes calldata signature, bytes32 message, bytes memory key) internal view returns (bool) {
        bytes memory point = abi.encodePacked(uint128(0), signature[:48], uint128(0), signature[48:]);
        bytes memory input = bytes.concat(point, MINUS_G2, hashToG1(message), key);
        (bool ok, bytes memory out) = address(uint160(PAIRING)).staticcall{gas: PAIRING_GAS}(input);
        // A point that is on no curve or in no subgroup fails there and burns its gas: it is no signature.
        return ok && out.length == 32 && out[31] == 0x01;
    }

    /// @notice Whether a key of 256 bytes is a point of G2 other than the neutral one.
    function isKey(bytes memory key) internal view returns (bool) {
        if (key.length != 256) return false;
        (bool ok, bytes memory out) = address(uint160(PAIRING)).staticcall{gas: PAIRING_GAS}(bytes.concat(new bytes(128), key));
        return ok && out.length == 32 && keccak256(key) != keccak256(new bytes(256));
    }

    /// @notice The 48 bytes of a signature whose x and y are given: x with the flags of the format.
    function compress(bytes calldata signature) internal pure returns (bytes memory out) {
        out = signature[:48];
        uint256 high = uint128(bytes16(signature[48:64]));
        uint256 low = uint256(bytes32(signature[64:96]));
        bool larger = high > HALF_HIGH || (high == HALF_HIGH && low > HALF_LOW);
        out[0] = out[0] | (larger ? bytes1(0xa0) : bytes1(0x80));
    }

    /// @notice The point, 128 bytes, to which a message of 32 bytes hashes.
    function hashToG1(bytes32 message) internal view returns (bytes memory) {
        bytes32 b0 = sha256(abi.encodePacked(new bytes(64), message, hex"008000", TAG));
        bytes32 b1 = sha256(abi.encodePacked(b0, uint8(1), TAG));
        bytes32 b2 = sha256(abi.encodePacked(b0 ^ b1, uint8(2), TAG));
        bytes32 b3 = sha256(abi.encodePacked(b0 ^ b2, uint8(3), TAG));
        bytes32 b4 = sha256(abi.encodePacked(b0 ^ b3, uint8(4), TAG));
        return _call(G1_ADD, bytes.concat(_map(b1, b2), _map(b3, b4)), 128);
    }

    /// @dev The point of a field element that is 64 bytes modulo the prime.
    function _map(bytes32 high, bytes32 low) private view returns (bytes memory) {
        bytes memory input = abi.encodePacked(uint256(64), uint256(1), uint256(48), high, low, uint8(1));
        bytes memory u = _call(MODEXP, abi.encodePacked(input, uint128(P_HIGH), P_LOW), 48);
        return _call(MAP_TO_G1, abi.encodePacked(uint128(0), u), 128);
    }

    function _call(uint256 number, bytes memory input, uint256 size) private view returns (bytes memory out) {
        bool ok;
        (ok, out) = address(uint160(number)).staticcall(input);
        if (!ok || out.length != size) revert PrecompileFailed(number);
    }
}
