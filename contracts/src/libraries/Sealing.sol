// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Packed} from "./Packed.sol";

/// @title Encryption to a secp256k1 key that its receiver can open before a contract (SPEC 08 §7.14)
/// @notice The sender has a point A = a * G, the receiver B = b * G; both know a * B = b * A, whose x coordinate is the secret.
/// The receiver shows it with a proof that log_G(B) = log_A(b * A) (Chaum and Pedersen), made non-interactive by keccak.
/// @dev ecrecover(h, v, r, s) is the address of r^-1 * (s * R - h * G), R the point with x coordinate r: with r = x of a point
/// it multiplies that point. x must be below N for that.
library Sealing {
    /// @notice The point is not on the curve, or not the one that was named.
    error BadPoint(uint256 x);
    /// @notice The proof does not show that the secret is the shared one.
    error NotShared(uint256 challenge);

    uint256 private constant P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f;
    uint256 private constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    /// @notice Bytes of `decrypt` between job and plain text: number, chain, A, secret point, proof.
    uint256 internal constant SHOWN = 4 + 32 + 64 + PROOF;
    uint256 private constant PROOF = 64 + 32 + 32 + 64 + 64 + 32;

    /// @notice A point at a calldata position, on the curve.
    function point(uint256 pos) internal pure returns (uint256 x, uint256 y) {
        (x, y) = _pair(pos);
        if (x >= N || y >= P) revert BadPoint(x);
        if (mulmod(y, y, P) != addmod(mulmod(x, mulmod(x, x, P), P), 7, P)) revert BadPoint(x);
    }

    /// @notice The address of the account whose public key a point is.
    function addressOf(uint256 x, uint256 y) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(x, y)))));
    }

    /// @notice The hash of a list of hashes with one more.
    function chain(bytes32 before, bytes32 next) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(before, next));
    }

    /// @notice The secret between B and the point A at `pos`; behind A stand the shared point, e, z, U = z * A, V = e * shared
    /// and the inverse of V.x - U.x.
    function shared(uint256 bx, uint256 by, uint256 pos) internal pure returns (bytes32) {
        (uint256 ax, uint256 ay) = point(pos);
        (uint256 sx, uint256 sy) = point(pos + 64);
        (uint256 e, uint256 z) = _pair(pos + 128);
        // z * G - e * B
        address first = ecrecover(
            bytes32(N - mulmod(z, bx, N)), uint8(27 + (by & 1)), bytes32(bx), bytes32(N - mulmod(e, bx, N))
        );
        (uint256 x, uint256 y) = _difference(ax, ay, sx, sy, pos + 128);
        bytes memory transcript = abi.encodePacked(bx, by, ax, ay, sx, sy, uint256(uint160(first)), x, y);
        if (first == address(0) || e != uint256(keccak256(transcript)) % N) revert NotShared(e);
        return bytes32(sx);
    }

    /// @dev z * A - e * S, of which the products and the inverse come with the proof at `pos`.
    function _difference(uint256 ax, uint256 ay, uint256 sx, uint256 sy, uint256 pos)
        private
        pure
        returns (uint256 x, uint256 y)
    {
        (uint256 e, uint256 z) = _pair(pos);
        (uint256 ux, uint256 uy) = _pair(pos + 64);
        (uint256 vx, uint256 vy) = _pair(pos + 128);
        if (z >= N || uint256(Packed.word(pos + 192)) >= P) revert NotShared(z);
        _product(ax, ay, z, ux, uy);
        _product(sx, sy, e, vx, vy);
        uint256 inverse = uint256(Packed.word(pos + 192));
        if (mulmod(addmod(vx, P - ux, P), inverse, P) != 1) revert NotShared(e);
        uint256 slope = mulmod(P - addmod(vy, uy, P), inverse, P);
        x = addmod(mulmod(slope, slope, P), addmod(P - ux, P - vx, P), P);
        y = addmod(mulmod(slope, addmod(ux, P - x, P), P), P - uy, P);
    }

    /// @dev k times a point is another one.
    function _product(uint256 x, uint256 y, uint256 k, uint256 gotX, uint256 gotY) private pure {
        address got = ecrecover(0, uint8(27 + (y & 1)), bytes32(x), bytes32(mulmod(k, x, N)));
        if (gotX >= P || gotY >= P || got == address(0) || got != addressOf(gotX, gotY)) revert NotShared(k);
    }

    /// @notice keccak of A at `a` (64 bytes) and of `size` plain bytes at `plain`, encrypted: each word is added (exclusive or)
    /// to keccak(key | number of the word).
    /// @param size A multiple of 32.
    function encrypted(bytes32 key, uint256 a, uint256 plain, uint256 size) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, a, 64)
            mstore(0, key)
            for { let i := 0 } lt(i, size) { i := add(i, 32) } {
                mstore(32, shr(5, i))
                mstore(add(add(p, 64), i), xor(keccak256(0, 64), calldataload(add(plain, i))))
            }
            result := keccak256(p, add(size, 64))
        }
    }

    function _pair(uint256 pos) private pure returns (uint256 x, uint256 y) {
        return (uint256(Packed.word(pos)), uint256(Packed.word(pos + 32)));
    }
}
