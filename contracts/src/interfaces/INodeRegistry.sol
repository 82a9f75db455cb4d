// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Where nodes are reached and who may move for whom
/// @notice Holds no value. Endpoints and keys are events; only delegates are state, because the arena asks for them.
interface INodeRegistry {
    /// @notice A URL has 1..512 bytes.
    error BadURL(uint256 length);

    /// @notice The key is zero or was named before; a retired key never comes back.
    error KeyUsed(address key);
    /// @notice The key is not in use.
    error KeyUnused(address key);

    /// @notice From now on `key` signs claims in the node's name.
    event KeyAdded(address indexed node, address indexed key);
    /// @notice The key signs no more; what it signed is evidence for commits until `time` + U (SPEC 07 §3.1).
    event KeyRetired(address indexed node, address indexed key, uint256 time);
    /// @notice The node's API is at `url`; an empty URL withdraws the entry.
    event Endpoint(address indexed node, string url);
    /// @notice The node publishes key `kind` (1: encryption of requests, X25519; others free), valid from now on.
    event Key(address indexed node, uint8 indexed kind, bytes key);
    event Delegate(address indexed party, address indexed delegate, bool allowed);

    function setEndpoint(string calldata url) external;

    function clearEndpoint() external;

    function publishKey(uint8 kind, bytes calldata key) external;

    /// @notice Lets `key`, a secp256k1 key by its address, sign claims of the sender beside its own key.
    function addKey(address key) external;

    /// @notice Ends the use of a key.
    function retireKey(address key) external;

    /// @notice 0: never a key of the node; 2^64-1: in use; else when it was retired.
    function keyOf(address node, address key) external view returns (uint64 until);

    /// @notice Lets `delegate` make the sender's moves in games. It cannot sign claims or touch funds.
    function setDelegate(address delegate, bool allowed) external;

    function isDelegate(address party, address delegate) external view returns (bool);
}
