// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry} from "./interfaces/INodeRegistry.sol";

/// @title Endpoints, keys and delegates; see INodeRegistry
contract NodeRegistry is INodeRegistry {
    /// @inheritdoc INodeRegistry
    mapping(address party => mapping(address delegate => bool allowed)) public isDelegate;

    /// @inheritdoc INodeRegistry
    mapping(address node => mapping(address key => uint64 until)) public keyOf;

    /// @inheritdoc INodeRegistry
    function addKey(address key) external {
        if (key == address(0) || keyOf[msg.sender][key] != 0) revert KeyUsed(key);
        keyOf[msg.sender][key] = type(uint64).max;
        emit KeyAdded(msg.sender, key);
    }

    /// @inheritdoc INodeRegistry
    function retireKey(address key) external {
        if (keyOf[msg.sender][key] != type(uint64).max) revert KeyUnused(key);
        keyOf[msg.sender][key] = uint64(block.timestamp);
        emit KeyRetired(msg.sender, key, block.timestamp);
    }

    /// @inheritdoc INodeRegistry
    function setEndpoint(string calldata url) external {
        uint256 length = bytes(url).length;
        if (length == 0 || length > 512) revert BadURL(length);
        emit Endpoint(msg.sender, url);
    }

    /// @inheritdoc INodeRegistry
    function clearEndpoint() external {
        emit Endpoint(msg.sender, "");
    }

    /// @inheritdoc INodeRegistry
    function publishKey(uint8 kind, bytes calldata key) external {
        emit Key(msg.sender, kind, key);
    }

    /// @inheritdoc INodeRegistry
    function setDelegate(address delegate, bool allowed) external {
        isDelegate[msg.sender][delegate] = allowed;
        emit Delegate(msg.sender, delegate, allowed);
    }
}
