// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ProofKeys} from "./ProofKeys.sol";
import {IProofVerifier} from "./interfaces/IProofVerifier.sol";

/// @title PLONK over BN254 with KZG commitments for answers; see IProofVerifier and SPEC 10 §5.7
/// @notice A key is a word (exponent of the domain, number of public inputs), the commitments S1, S2, S3, Ql, Qr, Qm,
/// Qo, Qk and the second point of the reference string in the other group. Nothing else of a key is free.
contract PlonkVerifier is ProofKeys {
    /// @dev Bytes of a key and of a proof.
    uint256 private constant _KEY = 32 + 8 * 64 + 128;
    uint256 private constant _PROOF = 800;
    /// @dev Places in a key.
    uint256 private constant _S1 = 32;
    uint256 private constant _S2 = 96;
    uint256 private constant _S3 = 160;
    uint256 private constant _QL = 224;
    uint256 private constant _QR = 288;
    uint256 private constant _QM = 352;
    uint256 private constant _QO = 416;
    uint256 private constant _QK = 480;
    uint256 private constant _TAU = 544;
    /// @dev Places in a proof: L, R, O come first.
    uint256 private constant _H = 192;
    uint256 private constant _VALUES = 384;
    uint256 private constant _Z = 544;
    uint256 private constant _NEXT = 608;
    uint256 private constant _W = 640;
    uint256 private constant _WZ = 704;
    uint256 private constant _DIGEST = 768;
    /// @dev A root of unity of order 2^28, and what shifts the domain into its cosets.
    uint256 private constant _ROOT = 19103219067921713944291392827692070036145651957329286315305642004821462161904;
    uint256 private constant _TWO_ADICITY = 28;
    uint256 private constant _SHIFT = 5;

    /// @dev What the equations are made of: openings at zeta (next: of Z at the point after it), challenges, and the
    /// values of the domain at zeta.
    struct Run {
        uint256 l;
        uint256 r;
        uint256 o;
        uint256 s1;
        uint256 s2;
        uint256 next;
        uint256 alpha;
        uint256 beta;
        uint256 gamma;
        uint256 zeta;
        uint256 omega;
        uint256 power; // zeta^n
        uint256 first; // first Lagrange polynomial
        uint256 inputs; // polynomial of the public inputs
        uint256 opening; // of the linearised polynomial
    }

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
        if (proof.length != _PROOF) revert ProofLength(proof.length);
        binding = _bind(statement);
        uint256[] memory inputs = new uint256[](_PUBLICS);
        (inputs[0], inputs[1], inputs[2]) = _inputs(binding, statement.equal, leaves, proof, _DIGEST);
        Run memory v;
        _openings(v, proof);
        _challenges(v, key, inputs, proof);
        _domain(v, _word(key, 0) >> 16, inputs);
        _decide(v, key, proof);
    }

    /// @inheritdoc ProofKeys
    function _checkKey(bytes calldata words) internal pure override {
        if (words.length != _KEY) revert KeyLength(words.length);
        uint256 head = uint256(bytes32(words[0:32]));
        uint256 count = head & 0xffff;
        if (head >> 16 > _TWO_ADICITY || count != _PUBLICS || count > 1 << (head >> 16)) {
            revert KeyHead(head);
        }
    }

    function _word(bytes memory from, uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(from, 32), place))
        }
    }

    function _openings(Run memory v, bytes calldata proof) private pure {
        uint256[6] memory values;
        for (uint256 i = 0; i < 6; ++i) {
            uint256 place = i < 5 ? _VALUES + 32 * i : _NEXT;
            values[i] = uint256(bytes32(proof[place:place + 32]));
            if (values[i] >= _R) revert ScalarOutOfField(place);
        }
        (v.l, v.r, v.o, v.s1, v.s2, v.next) = (values[0], values[1], values[2], values[3], values[4], values[5]);
    }

    /// @dev gamma, beta, alpha, zeta: each a SHA-256 of its name, the one before and what is newly bound.
    function _challenges(Run memory v, bytes memory key, uint256[] memory inputs, bytes calldata proof) private pure {
        bytes memory commitments = new bytes(8 * 64);
        assembly ("memory-safe") {
            mcopy(add(commitments, 32), add(key, 64), 512)
        }
        bytes32 h = sha256(abi.encodePacked("gamma", commitments, inputs, proof[0:_H]));
        v.gamma = uint256(h) % _R;
        h = sha256(abi.encodePacked("beta", h));
        v.beta = uint256(h) % _R;
        h = sha256(abi.encodePacked("alpha", h, proof[_Z:_Z + 64]));
        v.alpha = uint256(h) % _R;
        v.zeta = uint256(sha256(abi.encodePacked("zeta", h, proof[_H:_VALUES]))) % _R;
    }

    /// @dev Values of the domain at zeta: sum of inputs[i] w^i (zeta^n - 1) / (n (zeta - w^i)), one inversion for all.
    function _domain(Run memory v, uint256 exponent, uint256[] memory inputs) private view {
        (uint256 zeta, uint256 omega, uint256 power) = (v.zeta, _ROOT, v.zeta);
        assembly ("memory-safe") {
            for { let i := exponent } i { i := sub(i, 1) } { power := mulmod(power, power, _R) }
            for { let i := sub(_TWO_ADICITY, exponent) } i { i := sub(i, 1) } { omega := mulmod(omega, omega, _R) }
        }
        if (power == 1) revert ProofRefused();
        uint256 all = 1 << exponent;
        uint256 w = 1;
        uint256 place; // two words for each input: product of the denominators before, and zeta - w^i
        assembly ("memory-safe") {
            place := mload(0x40)
            for { let end := add(place, mul(64, mload(inputs))) } lt(place, end) { place := add(place, 64) } {
                mstore(place, all)
                let below := addmod(zeta, sub(_R, w), _R)
                mstore(add(place, 32), below)
                all := mulmod(all, below, _R)
                w := mulmod(w, omega, _R)
            }
            mstore(0x40, place)
        }
        all = _inverse(all);
        uint256 sum = 0;
        uint256 first = 0;
        assembly ("memory-safe") {
            for { let input := add(inputs, mul(32, mload(inputs))) } gt(input, inputs) { input := sub(input, 32) } {
                place := sub(place, 64)
                let below := mload(add(place, 32))
                first := mulmod(all, mload(place), _R) // 1 / (zeta - w^i)
                w := addmod(zeta, sub(_R, below), _R)
                sum := addmod(sum, mulmod(mulmod(w, mload(input), _R), first, _R), _R)
                all := mulmod(all, below, _R)
            }
        }
        w = mulmod(all, power - 1, _R); // (zeta^n - 1) / n
        (v.omega, v.power, v.inputs, v.first) = (omega, power, mulmod(sum, w, _R), mulmod(first, w, _R));
    }

    /// @dev 1/x in the scalar field, for x that is not 0.
    function _inverse(uint256 x) private view returns (uint256 y) {
        uint256 ok;
        assembly ("memory-safe") {
            let f := mload(0x40)
            mstore(f, 32)
            mstore(add(f, 32), 32)
            mstore(add(f, 64), 32)
            mstore(add(f, 96), x)
            mstore(add(f, 128), sub(_R, 2))
            mstore(add(f, 160), _R)
            ok := staticcall(gas(), 5, f, 192, f, 32)
            ok := and(ok, eq(returndatasize(), 32))
            y := mload(f)
        }
        if (ok == 0) revert ProofRefused();
    }

    /// @dev Commitment to the linearised polynomial, and in v what it opens to.
    function _linearised(Run memory v, bytes memory key, bytes memory proof) private view returns (uint256[4] memory m) {
        (uint256 alpha, uint256 beta, uint256 gamma) = (v.alpha, v.beta, v.gamma);
        uint256 start = mulmod(mulmod(alpha, alpha, _R), v.first, _R); // alpha^2 L0
        uint256 t = mulmod(alpha, _sum(v.l, mulmod(beta, v.s1, _R), gamma), _R);
        t = mulmod(mulmod(t, _sum(v.r, mulmod(beta, v.s2, _R), gamma), _R), v.next, _R);
        v.opening = addmod(start, _R - addmod(mulmod(t, addmod(v.o, gamma, _R), _R), v.inputs, _R), _R);
        (m[0], m[1]) = _point(key, _QK);
        _addTimes(m, key, _QL, v.l);
        _addTimes(m, key, _QR, v.r);
        _addTimes(m, key, _QM, mulmod(v.l, v.r, _R));
        _addTimes(m, key, _QO, v.o);
        _addTimes(m, key, _S3, mulmod(t, beta, _R));
        t = mulmod(beta, v.zeta, _R);
        uint256 p = mulmod(alpha, _sum(v.l, t, gamma), _R);
        t = mulmod(t, _SHIFT, _R);
        p = mulmod(p, _sum(v.r, t, gamma), _R);
        p = mulmod(p, _sum(v.o, mulmod(t, _SHIFT, _R), gamma), _R);
        _addTimes(m, proof, _Z, addmod(start, _R - p, _R));
        t = _R + 1 - v.power; // -(zeta^n - 1), which is not 0
        p = mulmod(v.power, mulmod(v.zeta, v.zeta, _R), _R); // zeta^(n+2)
        for (uint256 i = 0; i < 3; ++i) {
            _addTimes(m, proof, _H + 64 * i, t);
            t = mulmod(t, p, _R);
        }
    }

    function _sum(uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        return addmod(addmod(a, b, _R), c, _R);
    }

    /// @dev Folds the openings at zeta by one challenge, the two points by another, and asks the pairing.
    function _decide(Run memory v, bytes memory key, bytes calldata proof) private view {
        bytes memory p = proof;
        uint256[4] memory m = _linearised(v, key, p);
        bytes32 h = _foldChallenge(v, key, proof, m);
        uint256 f = uint256(h) % _R;
        uint256 u = uint256(keccak256(abi.encodePacked(h, proof[_W:_DIGEST]))) % _R;
        uint256 value = addmod(v.opening, mulmod(u, v.next, _R), _R);
        uint256 t = f;
        uint256[5] memory values = [v.l, v.r, v.o, v.s1, v.s2];
        for (uint256 i = 0; i < 5; ++i) {
            if (i < 3) _addTimes(m, p, 64 * i, t);
            else _addTimes(m, key, _S1 + 64 * (i - 3), t);
            value = addmod(value, mulmod(t, values[i], _R), _R);
            t = mulmod(t, f, _R);
        }
        _addTimes(m, p, _Z, u);
        _addTimes(m, p, _W, v.zeta);
        _addTimes(m, p, _WZ, mulmod(u, mulmod(v.zeta, v.omega, _R), _R));
        _addTimes(m, abi.encode(1, 2), 0, addmod(0, _R - value, _R));
        uint256[4] memory q;
        (q[0], q[1]) = _point(p, _W);
        _addTimes(q, p, _WZ, u);
        _pairing(m, q, key);
    }

    /// @dev As the prover's library has it: SHA-256 of a name, the point, commitments and openings.
    function _foldChallenge(Run memory v, bytes memory key, bytes calldata proof, uint256[4] memory m)
        private
        pure
        returns (bytes32)
    {
        bytes memory permutation = new bytes(128); // S1, S2
        assembly ("memory-safe") {
            mcopy(add(permutation, 32), add(key, 64), 128)
        }
        bytes memory head = abi.encodePacked("gamma", v.zeta, m[0], m[1], proof[0:_H], permutation, v.opening);
        return sha256(abi.encodePacked(head, proof[_VALUES:_Z], proof[_NEXT:_W]));
    }

    /// @dev e(m, 1) = e(q, tau), as one product with -q that must be 1.
    function _pairing(uint256[4] memory m, uint256[4] memory q, bytes memory key) private view {
        uint256 ok;
        uint256 one;
        assembly ("memory-safe") {
            let f := mload(0x40)
            mcopy(f, m, 64)
            mstore(add(f, 64), 11559732032986387107991004021392285783925812861821192530917403151452391805634)
            mstore(add(f, 96), 10857046999023057135944570762232829481370756359578518086990519993285655852781)
            mstore(add(f, 128), 4082367875863433681332203403145435568316851327593401208105741076214120093531)
            mstore(add(f, 160), 8495653923123431417604973247489272438418190587263600148770280649306958101930)
            mstore(add(f, 192), mload(q))
            mstore(add(f, 224), mod(sub(_P, mload(add(q, 32))), _P)) // a precompile gave it: it is below
            mcopy(add(f, 256), add(key, 576), 128) // _TAU behind the length
            ok := staticcall(gas(), 8, f, 384, f, 32)
            ok := and(ok, eq(returndatasize(), 32))
            one := mload(f)
        }
        if (ok == 0) revert BadPoint();
        if (one != 1) revert ProofRefused();
    }
}
