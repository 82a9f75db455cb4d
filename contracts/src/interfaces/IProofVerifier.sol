// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Verifies answers that are proofs: one element of one operation, its leaves not shown (SPEC 10)
/// @notice Keys are per shape of a unit, append-only, under a numerics version. A proof shows that the leaves with the
/// given Poseidon2 hashes give, by the definition of the operation, an element that is or is not the claimed one.
interface IProofVerifier {
    /// @notice What an answer is about. The hash of these with chain and this contract is the binding.
    /// @param game Key of the game.
    /// @param op Operation code.
    /// @param element Flat index of the element.
    /// @param prover Who the proof was made for; nobody else can use it.
    /// @param equal The claimed element is the value that the operation gives.
    struct Statement {
        bytes32 game;
        uint8 op;
        uint64 element;
        address prover;
        bool equal;
    }

    /// @notice Only the registrar may add keys.
    error NotRegistrar(address sender);
    /// @notice The shape has a key under this version.
    error AlreadyRegistered(uint16 version, bytes32 shape);
    /// @notice The shape has no key under this version.
    error UnknownShape(uint16 version, bytes32 shape);
    /// @notice A Groth16 key is 704 bytes, a PLONK key 672.
    error KeyLength(uint256 length);
    /// @notice A PLONK key has a domain of at most 2^28 and 3 public inputs, which lie in it.
    error KeyHead(uint256 head);
    /// @notice The key's data could not be stored.
    error NotStored();
    /// @notice The hash of a leaf is not below the order of the field.
    error LeafOutOfField(uint256 index, bytes32 leaf);
    /// @notice A Groth16 proof is 288 bytes, a PLONK proof 800, the digest of the leaves' hashes included.
    error ProofLength(uint256 length);
    /// @notice The digest or an opening of a PLONK proof is not below the order of the field.
    error ScalarOutOfField(uint256 place);
    /// @notice A point of proof or key is on no curve.
    error BadPoint();
    /// @notice The proof does not show the statement.
    error ProofRefused();

    event KeyRegistered(uint16 indexed version, bytes32 indexed shape, bytes32 keyHash);

    /// @notice Adds the key of a shape that has none under that version.
    /// @param words The key as its system has it (SPEC 10 §5.3, §5.7).
    function register(uint16 version, bytes32 shape, bytes calldata words) external;

    /// @notice Reverts with a reason unless the proof shows the statement; returns the binding.
    /// @param leaves Hash of the target's leaf, then of the leaves of every read, in order.
    /// @param proof The proof as its system has it.
    function verify(
        uint16 version,
        bytes32 shape,
        Statement calldata statement,
        bytes32[] calldata leaves,
        bytes calldata proof
    ) external view returns (bytes32 binding);

    /// @notice Hash of the key of a shape, 0 if there is none.
    function keyHash(uint16 version, bytes32 shape) external view returns (bytes32);
}
