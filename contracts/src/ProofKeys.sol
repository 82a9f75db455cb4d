// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "./interfaces/IProofVerifier.sol";

/// @title What verifiers of answers have in common over BN254, whatever the proof system; see IProofVerifier
/// @notice Keys are data, kept as the code of contracts that do nothing; nobody can change or remove one.
abstract contract ProofKeys is IProofVerifier {
    /// @dev Order of the scalar field, and of the field of coordinates.
    uint256 internal constant _R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 internal constant _P = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    /// @dev Public inputs of every circuit: the challenge, the digest, the sum.
    uint256 internal constant _PUBLICS = 3;

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
        _checkKey(words);
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
    function keyHash(uint16 version, bytes32 shape) external view returns (bytes32) {
        return _keys[version][shape] == address(0) ? bytes32(0) : keccak256(_key(version, shape));
    }

    /// @dev Reverts unless the words can be a key of the system.
    function _checkKey(bytes calldata words) internal pure virtual;

    function _bind(Statement calldata s) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(s.game, s.op, s.element, block.chainid, address(this), s.prover));
    }

    /// @dev The public inputs (SPEC 10 §4.6) but for the digest, which stands at `place` of the proof: a challenge, drawn
    /// from all that is stated and the digest, and at it the polynomial of what is stated. In this way a leaf takes two
    /// products of numbers in place of one on the curve.
    function _inputs(bytes32 binding, bool equal, bytes32[] calldata leaves, bytes calldata proof, uint256 place)
        internal
        pure
        returns (uint256 challenge, uint256 digest, uint256 sum)
    {
        uint256 head = 2 * leaves.length + (equal ? 1 : 0);
        uint256 bad = 0; // place of the first leaf that is beyond the field, and one
        assembly ("memory-safe") {
            digest := calldataload(add(proof.offset, place))
            let f := mload(0x40)
            let size := shl(5, leaves.length)
            mstore(f, binding)
            mstore(add(f, 32), head)
            calldatacopy(add(f, 64), leaves.offset, size)
            mstore(add(add(f, 64), size), digest)
            challenge := mod(keccak256(f, add(size, 96)), _R)
            let first := add(f, 32)
            for { let p := add(first, size) } gt(p, first) { p := sub(p, 32) } {
                let leaf := mload(p)
                if iszero(lt(leaf, _R)) { bad := shr(5, sub(p, first)) }
                sum := addmod(mulmod(sum, challenge, _R), leaf, _R)
            }
            sum := addmod(mulmod(sum, challenge, _R), head, _R)
        }
        if (bad != 0) revert LeafOutOfField(bad - 1, leaves[bad - 1]);
        if (digest >= _R) revert ScalarOutOfField(place);
    }

    function _key(uint16 version, bytes32 shape) internal view returns (bytes memory key) {
        address data = _keys[version][shape];
        if (data == address(0)) revert UnknownShape(version, shape);
        uint256 size = data.code.length - 1;
        key = new bytes(size);
        assembly ("memory-safe") {
            extcodecopy(data, add(key, 32), 1, size)
        }
    }

    /// @dev The point of 64 bytes at `place`, which lies inside `from`.
    function _point(bytes memory from, uint256 place) internal pure returns (uint256 x, uint256 y) {
        assembly ("memory-safe") {
            let p := add(add(from, 32), place)
            x := mload(p)
            y := mload(add(p, 32))
        }
    }

    /// @dev m[0..1] += scalar * the point at `place` of `from`; m[2..3] is room for the product.
    function _addTimes(uint256[4] memory m, bytes memory from, uint256 place, uint256 scalar) internal view {
        uint256 ok;
        assembly ("memory-safe") {
            let f := mload(0x40)
            mcopy(f, add(add(from, 32), place), 64)
            mstore(add(f, 64), scalar)
            ok := staticcall(gas(), 7, f, 96, add(m, 64), 64)
            ok := and(ok, eq(returndatasize(), 64))
            ok := and(ok, staticcall(gas(), 6, m, 128, m, 64))
            ok := and(ok, eq(returndatasize(), 64))
        }
        if (ok == 0) revert BadPoint();
    }
}
