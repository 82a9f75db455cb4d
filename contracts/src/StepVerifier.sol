// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "./interfaces/IProofVerifier.sol";
import {IStepVerifier} from "./interfaces/IStepVerifier.sol";

/// @title The registry of step verifiers: (numerics version, op) -> contract, and (version, proof system) -> contract
/// @notice Append-only. The registrar can name a verifier for an op or a proof system that has none; nobody can change
/// or remove an entry, so a game that was opened under a version is always judged by the same code.
contract StepVerifier {
    /// @notice Op 0 (input) is not computed by any operation.
    error InputHasNoVerifier();
    /// @notice The op has a verifier already.
    error AlreadyRegistered(uint16 version, uint8 op, address verifier);
    /// @notice The op has no verifier.
    error NotRegistered(uint16 version, uint8 op);
    /// @notice The proof system has a verifier already.
    error SystemRegistered(uint16 version, uint8 system, address verifier);
    /// @notice The proof system has no verifier.
    error UnknownSystem(uint16 version, uint8 system);
    /// @notice Only the registrar may add entries.
    error NotRegistrar(address sender);
    /// @notice The address holds no code.
    error NoCode(address verifier);
    /// @notice ops and verifiers differ in length.
    error LengthMismatch(uint256 ops, uint256 verifiers);

    event Registered(uint16 indexed version, uint8 indexed op, address verifier);
    event ProofsRegistered(uint16 indexed version, uint8 indexed system, address verifier);

    /// @notice The numerics version of the op set that this deployment starts with (SPEC 06 §1.1).
    uint16 public constant VERSION = 1;
    /// @notice May add entries; zero means that the registry is closed.
    address public immutable REGISTRAR;

    mapping(uint16 version => mapping(uint8 op => IStepVerifier verifier)) private _verifiers;
    mapping(uint16 version => mapping(uint8 system => IProofVerifier verifier)) private _systems;

    /// @param systems Verifiers of the proof systems 1, 2, and so on (SPEC 10 §5.2).
    constructor(address registrar, uint8[] memory ops, address[] memory verifiers, address[] memory systems) {
        REGISTRAR = registrar;
        if (ops.length != verifiers.length) revert LengthMismatch(ops.length, verifiers.length);
        for (uint256 i = 0; i < ops.length; ++i) {
            _add(VERSION, ops[i], verifiers[i]);
        }
        for (uint256 i = 0; i < systems.length; ++i) {
            _addSystem(VERSION, uint8(i + 1), systems[i]);
        }
    }

    /// @notice Names the verifier of an op that has none under that version.
    function register(uint16 version, uint8 op, address verifier) external {
        if (msg.sender != REGISTRAR) revert NotRegistrar(msg.sender);
        _add(version, op, verifier);
    }

    /// @notice Names the verifier of a proof system that has none under that version.
    function registerSystem(uint16 version, uint8 system, address verifier) external {
        if (msg.sender != REGISTRAR) revert NotRegistrar(msg.sender);
        _addSystem(version, system, verifier);
    }

    /// @notice The verifier of a proof system under a numerics version; reverts if there is none.
    function proofsAt(uint16 version, uint8 system) external view returns (IProofVerifier verifier) {
        verifier = _systems[version][system];
        if (address(verifier) == address(0)) revert UnknownSystem(version, system);
    }

    /// @notice The verifier of an op of version 1; reverts if there is none.
    function verifierOf(uint8 op) external view returns (IStepVerifier) {
        return verifierAt(VERSION, op);
    }

    /// @notice The verifier of an op under a numerics version; reverts if there is none.
    function verifierAt(uint16 version, uint8 op) public view returns (IStepVerifier verifier) {
        verifier = _verifiers[version][op];
        if (address(verifier) == address(0)) revert NotRegistered(version, op);
    }

    function _add(uint16 version, uint8 op, address verifier) private {
        if (op == 0) revert InputHasNoVerifier();
        if (verifier.code.length == 0) revert NoCode(verifier);
        address present = address(_verifiers[version][op]);
        if (present != address(0)) revert AlreadyRegistered(version, op, present);
        _verifiers[version][op] = IStepVerifier(verifier);
        emit Registered(version, op, verifier);
    }

    function _addSystem(uint16 version, uint8 system, address verifier) private {
        if (verifier.code.length == 0) revert NoCode(verifier);
        address present = address(_systems[version][system]);
        if (present != address(0)) revert SystemRegistered(version, system, present);
        _systems[version][system] = IProofVerifier(verifier);
        emit ProofsRegistered(version, system, verifier);
    }
}
