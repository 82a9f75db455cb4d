// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Where nodes are reached and who may move for whom
/// @notice Holds no value. Endpoints and keys are events; only delegates are state, because the arena asks for them.
interface INodeRegistry {
    /// @notice A URL has 1..512 bytes.
    error BadURL(uint256 length);

    /// @notice The node's API is at `url`; an empty URL withdraws the entry.
    event Endpoint(address indexed node, string url);
    /// @notice The node publishes key `kind` (1: encryption of requests, X25519; others free), valid from now on.
    event Key(address indexed node, uint8 indexed kind, bytes key);
    event Delegate(address indexed party, address indexed delegate, bool allowed);

    function setEndpoint(string calldata url) external;

    function clearEndpoint() external;

    function publishKey(uint8 kind, bytes calldata key) external;

    /// @notice Lets `delegate` make the sender's moves in games. It cannot sign claims or touch funds.
    function setDelegate(address delegate, bool allowed) external;

    function isDelegate(address party, address delegate) external view returns (bool);
}
