// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the registry asks of an arena for planted faults
interface IPlantArena {
    function WINDOW() external view returns (uint256);
    function batches(bytes32 key) external view returns (uint16 count, uint40 until, uint40 posted, uint128 cover);
    function spare(bytes32 caseId) external;
}

/// @title Where nodes are reached and who may move for whom
/// @notice Holds no value. Endpoints and keys are events; only delegates are state, because the arena asks for them.
interface INodeRegistry {
    /// @notice A URL has 1..512 bytes.
    error BadURL(uint256 length);

    /// @notice The key is zero or was named before; a retired key never comes back.
    error KeyUsed(address key);
    /// @notice The key is not in use.
    error KeyUnused(address key);

    /// @notice The bytes are no model header of version 1, or its class is none of SPEC 06 §1.1.
    error BadHeader(string field, uint256 value);

    /// @notice No veil covers the claim, or it was not laid more than a window before the batch was posted.
    error NotPlanted(uint256 veiled, uint256 posted, uint256 lead);

    /// @notice The node has veiled a fault that it will plant.
    event Planted(address indexed node, bytes32 veil);
    /// @notice The claim of that case was false on purpose.
    event PlantShown(address indexed node, address indexed arena, bytes32 indexed caseId, bytes32 claimId);
    /// @notice From now on `key` signs claims in the node's name.
    event KeyAdded(address indexed node, address indexed key);
    /// @notice The key signs no more; what it signed is evidence for commits until `time` + U (SPEC 07 §3.1).
    event KeyRetired(address indexed node, address indexed key, uint256 time);
    /// @notice The node's API is at `url`; an empty URL withdraws the entry.
    event Endpoint(address indexed node, string url);
    /// @notice The node publishes key `kind` (1: encryption of requests, X25519; others free), valid from now on.
    event Key(address indexed node, uint8 indexed kind, bytes key);
    /// @notice The sender stands for a model: its id and class follow from the header.
    event Model(address indexed node, bytes32 indexed id, uint8 indexed class, bytes header);
    event Delegate(address indexed party, address indexed delegate, bool allowed);

    function setEndpoint(string calldata url) external;

    function clearEndpoint() external;

    function publishKey(uint8 kind, bytes calldata key) external;

    /// @notice Registers a model by its header of 224 bytes (SPEC 06 §1.1), private ones too (SPEC 10 §8.4). Anybody may, again and
    /// again: nothing is kept but the event.
    /// @return id SHA-256 of the header.
    function registerModel(bytes calldata header) external returns (bytes32 id);

    /// @notice Lets `key`, a secp256k1 key by its address, sign claims of the sender beside its own key.
    function addKey(address key) external;

    /// @notice Ends the use of a key.
    function retireKey(address key) external;

    /// @notice 0: never a key of the node; 2^64-1: in use; else when it was retired.
    function keyOf(address node, address key) external view returns (uint64 until);

    /// @notice Lets `delegate` make the sender's moves in games. It cannot sign claims or touch funds.
    function setDelegate(address delegate, bool allowed) external;

    function isDelegate(address party, address delegate) external view returns (bool);

    /// @notice Veils faults that the sender will plant (SPEC 11 §5): each keccak(node | claim id | salt). A claim that was not
    /// veiled more than a window W before its batch was posted is a lie like any other, so that no answer to a waiting user can be
    /// taken back as a plant.
    function plant(bytes32[] calldata veils) external;

    /// @notice Shows that a claim in a batch of the sender was planted: from then on it counts as refuted in the arena, and
    /// whoever refutes it slashes nobody.
    function showPlant(address arena, bytes32 root, bytes32 claimId, bytes32 salt) external returns (bytes32 caseId);

    /// @notice When a veil was laid, 0: never.
    function veiledAt(bytes32 veil) external view returns (uint256 time);

    /// @notice When a case was shown to be planted, 0: never.
    function shownAt(address arena, bytes32 caseId) external view returns (uint256 time);
}
