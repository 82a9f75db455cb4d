// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ProofKeys} from "./ProofKeys.sol";
import {IProofVerifier} from "./interfaces/IProofVerifier.sol";

/// @title Groth16 over BN254 for answers; see IProofVerifier
contract ProofVerifier is ProofKeys {
    /// @dev alpha, beta, gamma, delta and the point of the constant.
    uint256 private constant _FIXED = 64 + 3 * 128 + 64;
    /// @dev A, B, C, and behind them the digest of the leaves' hashes.
    uint256 private constant _DIGEST = 256;

    constructor(address registrar) ProofKeys(registrar) {}

    /// @inheritdoc IProofVerifier
    function verify(
        uint16 version,
        bytes32 shape,
        Statement calldata statement,
        bytes32[] calldata leaves,
        bytes calldata proof
    ) external view returns (bytes32 binding) {
        bytes memory key = _key(version, shape);
        if (proof.length != _DIGEST + 32) revert ProofLength(proof.length);
        binding = _bind(statement);
        (uint256 challenge, uint256 digest, uint256 sum) = _inputs(binding, statement.equal, leaves, proof, _DIGEST);
        uint256[4] memory m;
        (m[0], m[1]) = _point(key, _FIXED - 64);
        _addTimes(m, key, _FIXED, challenge);
        _addTimes(m, key, _FIXED + 64, digest);
        _addTimes(m, key, _FIXED + 128, sum);
        _pairing(m, key, proof);
    }

    /// @inheritdoc ProofKeys
    function _checkKey(bytes calldata words) internal pure override {
        if (words.length != _FIXED + 64 * _PUBLICS) revert KeyLength(words.length);
    }

    /// @dev e(A, B) = e(alpha, beta) e(inputs, gamma) e(C, delta), as one product with -A that must be 1.
    function _pairing(uint256[4] memory m, bytes memory key, bytes calldata proof) private view {
        uint256 ok;
        uint256 one;
        assembly ("memory-safe") {
            let f := mload(0x40)
            let k := add(key, 32)
            calldatacopy(f, proof.offset, 192) // A, B
            let y := mload(add(f, 32))
            if lt(y, _P) { mstore(add(f, 32), mod(sub(_P, y), _P)) } // else the precompile refuses it
            mcopy(add(f, 192), k, 192) // alpha, beta
            mcopy(add(f, 384), m, 64)
            mcopy(add(f, 448), add(k, 192), 128) // gamma
            calldatacopy(add(f, 576), add(proof.offset, 192), 64) // C
            mcopy(add(f, 640), add(k, 320), 128) // delta
            ok := staticcall(gas(), 8, f, 768, f, 32)
            ok := and(ok, eq(returndatasize(), 32))
            one := mload(f)
        }
        if (ok == 0) revert BadPoint();
        if (one != 1) revert ProofRefused();
    }
}
