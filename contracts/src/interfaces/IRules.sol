// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Read} from "./IStepVerifier.sol";

/// @title The rules of the game without clocks and money: pure functions from state and payload to state
/// @notice Stateless contracts, because one would not fit into 24,576 bytes. They hold no value and trust nobody;
/// the arena fixes them at construction.
interface IGameRules {
    /// @notice The child, layer, stage, tensor or element named is not below its bound.
    error OutOfRange(uint256 got, uint256 bound);
    /// @notice A field of S_{t-1}, S_t or of the boundaries contradicts claim or predecessor.
    error Contradiction(string field, uint256 got, uint256 want);
    /// @notice The descriptor of tensor 0 is not that of an input with 2 to 128 tensors and rows among them.
    error BadStage(uint256 op, uint256 tensors, uint256 k, uint256 v);
    /// @notice A leaf has non-zero bytes beyond the end of its tensor.
    error BadPadding(uint256 offset);

    /// @notice Moves 3 to 12, 17 and 18 (SPEC 08 §4).
    /// @return next The state after the move, phase included; deadlines, escrow, cost and the void flag are the arena's.
    function step(uint8 move, bytes calldata state, bytes calldata payload) external view returns (bytes memory next);
}

interface IAnswer {
    /// @notice A read has a kind that names no source.
    error BadRead(uint256 kind);

    /// @notice Move 13, answer.
    function answer(bytes calldata state, bytes calldata payload) external view returns (bytes memory next);
}

interface IProofRules is IAnswer {
    /// @notice The model is confidential: answers about it are proofs and show no leaf of it (SPEC 08 §7.11).
    error ProofWanted();
    /// @notice A flag is neither 0 nor 1.
    error BadFlag(uint256 value);
    /// @notice No place fits at `position` of the data: its read does not begin there or is shorter than the place.
    error BadPlace(uint256 position);

    /// @notice Shape and reads of an element (SPEC 10 §5.1): those of its evaluator on data that are zero but for the
    /// places, which depend on nothing else.
    /// @param size Bytes of the leaves that are read.
    /// @param places What the first reads name, where the operation follows it: for each where in the data the read begins
    /// (u16) and the place (u64).
    function unit(bytes calldata d, bytes memory context, uint64 index, uint256 size, bytes calldata places)
        external
        view
        returns (bytes32 shape, Read[] memory reads);
}

interface IClusterRules is IAnswer {
    /// @notice The operators are no cluster: their number, the place of one that has too many elements, of another operation or
    /// with reads that do not agree, or the number of leaves (SPEC 10 §4.8).
    error BadCluster(uint256 what);
}

interface IAnswerRules is IAnswer {
    /// @notice The node never posted the batch that the payload names.
    error NotPosted(bytes32 root);

    /// @notice Move 16, include: the claim of a demand is in the batch that the payload names.
    /// @param count The claims of that batch, 0 if the node never posted it.
    function include(bytes calldata state, uint256 count, bytes calldata payload)
        external
        pure
        returns (bytes memory next);
}

interface IOpenRules {
    /// @notice The model header is not one of version 1.
    error BadHeader(string field, uint256 value);
    /// @notice The model is private: no game about its elements (SPEC 10 §8.5).
    error PrivateModel();
    /// @notice The claim contradicts its request or the model on its face: it can be opened for that only.
    error BadClaim(bytes32 field, uint256 value);
    /// @notice The signature is not the node's, or the batch does not contain the claim.
    error NoEvidence(address node, bytes32 claimDigest);
    /// @notice The two claims do not contradict each other where the payload says.
    error NoContradiction(uint256 kind, uint256 index);
    /// @notice t names no step of the claim.
    error BadStep(uint256 t, uint256 count);

    /// @param key The commit's key.
    /// @param claimId The claim's id.
    /// @param record The job (SPEC 08 §1), then the state after the move, without clocks, escrow, hold and cost. A claim that
    /// contradicts its request on its face is refuted in it.
    /// @param windowEnd Unix seconds: the claim's challengeUntil.
    /// @param value Token units: the claim's value.
    /// @param work Positions that the node re-executes to reply.
    /// @param keys The addresses that signed in the node's name, of this claim and of the one that contradicts it; 0 where
    /// the node signed itself or a batch is the evidence.
    struct Opening {
        bytes32 key;
        bytes32 claimId;
        uint256 windowEnd;
        uint256 value;
        uint256 work;
        address[2] keys;
        bytes record;
    }

    /// @notice Move 2, open: checks everything that the payload (SPEC 08 §7.2) claims.
    /// @param domain EIP-712 domain separator of the arena.
    /// @param batch The key of the batch that the payload names, 0 if its evidence is a signature.
    /// @param count The claims of that batch, 0 if there is none.
    function open(bytes32 domain, bytes32 batch, uint256 count, bytes calldata payload)
        external
        view
        returns (Opening memory opening);
}
