// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "./interfaces/IProofVerifier.sol";

/// @title Groth16 over BN254 for answers; see IProofVerifier
/// @notice Keys are data, kept as the code of contracts that do nothing; nobody can change or remove one.
contract ProofVerifier is IProofVerifier {
    /// @dev Order of the scalar field, and of the field of coordinates.
    uint256 private constant _R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant _P = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    /// @dev alpha, beta, gamma, delta and the point of the constant.
    uint256 private constant _FIXED = 64 + 3 * 128 + 64;
    /// @dev Public inputs that are not leaves: the binding and `equal`.
    uint256 private constant _SCALARS = 2;

    /// @notice May add keys; zero means that the registry is closed.
    address public immutable REGISTRAR;

    mapping(uint16 version => mapping(bytes32 shape => address data)) private _keys;

    constructor(address registrar) {
        REGISTRAR = registrar;
    }

    /// @inheritdoc IProofVerifier
    function register(uint16 version, bytes32 shape, bytes calldata words) external {
        if (msg.sender != REGISTRAR) revert NotRegistrar(msg.sender);
        if (_keys[version][shape] != address(0)) revert AlreadyRegistered(version, shape);
        if (words.length < _FIXED + 3 * 64 || words.length % 64 != 0) revert KeyLength(words.length);
        // Creation code that returns what follows it: STOP, so that it cannot be run, and the words.
        bytes memory creation = abi.encodePacked(hex"61", uint16(words.length + 1), hex"80600a3d393df300", words);
        address data;
        assembly ("memory-safe") {
            data := create(0, add(creation, 32), mload(creation))
        }
        if (data.code.length != words.length + 1) revert NotStored();
        _keys[version][shape] = data;
        emit KeyRegistered(version, shape, keccak256(words));
    }

    /// @inheritdoc IProofVerifier
    function verify(
        uint16 version,
        bytes32 shape,
        Statement calldata statement,
        bytes32[] calldata leaves,
        bytes calldata proof
    ) external view returns (bytes32 binding) {
        bytes memory key = _key(version, shape);
        uint256 inputs = (key.length - _FIXED) / 64;
        if (leaves.length + _SCALARS != inputs) revert LeafCount(leaves.length, inputs - _SCALARS);
        if (proof.length != 256) revert ProofLength(proof.length);
        binding = _bind(statement);
        uint256[4] memory m;
        (m[0], m[1]) = _point(key, _FIXED - 64);
        _addTimes(m, key, _FIXED, uint256(binding) % _R);
        if (statement.equal) _addTimes(m, key, _FIXED + 64, 1);
        for (uint256 i = 0; i < leaves.length; ++i) {
            if (uint256(leaves[i]) >= _R) revert LeafOutOfField(i, leaves[i]);
            _addTimes(m, key, _FIXED + 64 * (_SCALARS + i), uint256(leaves[i]));
        }
        _pairing(m, key, proof);
    }

    /// @inheritdoc IProofVerifier
    function keyHash(uint16 version, bytes32 shape) external view returns (bytes32) {
        return _keys[version][shape] == address(0) ? bytes32(0) : keccak256(_key(version, shape));
    }

    function _bind(Statement calldata s) private view returns (bytes32) {
        return keccak256(abi.encodePacked(s.game, s.op, s.element, block.chainid, address(this), s.prover));
    }

    function _key(uint16 version, bytes32 shape) private view returns (bytes memory key) {
        address data = _keys[version][shape];
        if (data == address(0)) revert UnknownShape(version, shape);
        uint256 size = data.code.length - 1;
        key = new bytes(size);
        assembly ("memory-safe") {
            extcodecopy(data, add(key, 32), 1, size)
        }
    }

    function _point(bytes memory key, uint256 place) private pure returns (uint256 x, uint256 y) {
        assembly ("memory-safe") {
            let p := add(add(key, 32), place)
            x := mload(p)
            y := mload(add(p, 32))
        }
    }

    /// @dev m[0..1] += scalar * the point at `place` of the key; m[2..3] is room for the product.
    function _addTimes(uint256[4] memory m, bytes memory key, uint256 place, uint256 scalar) private view {
        uint256 ok;
        assembly ("memory-safe") {
            let f := mload(0x40)
            mcopy(f, add(add(key, 32), place), 64)
            mstore(add(f, 64), scalar)
            ok := staticcall(gas(), 7, f, 96, add(m, 64), 64)
            ok := and(ok, eq(returndatasize(), 64))
            ok := and(ok, staticcall(gas(), 6, m, 128, m, 64))
            ok := and(ok, eq(returndatasize(), 64))
        }
        if (ok == 0) revert BadPoint();
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
