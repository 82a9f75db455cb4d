// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry, IPlantArena} from "./interfaces/INodeRegistry.sol";

/// @title Endpoints, keys, delegates and planted faults; see INodeRegistry
contract NodeRegistry is INodeRegistry {
    /// @dev "elenchus/model/1" and numerics version 1.
    bytes18 private constant MODEL = 0x656c656e636875732f6d6f64656c2f310001;
    uint8 private constant LAST_CLASS = 2;

    /// @inheritdoc INodeRegistry
    mapping(bytes32 veil => uint256 time) public veiledAt;
    /// @inheritdoc INodeRegistry
    mapping(address arena => mapping(bytes32 caseId => uint256 time)) public shownAt;

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
    function registerModel(bytes calldata header) external returns (bytes32 id) {
        if (header.length != 224) revert BadHeader("length", header.length);
        if (bytes18(header) != MODEL) revert BadHeader("version", uint144(bytes18(header)));
        uint8 class = uint8(header[33]);
        if (class > LAST_CLASS) revert BadHeader("class", class);
        id = sha256(header);
        emit Model(msg.sender, id, class, header);
    }

    /// @inheritdoc INodeRegistry
    function setDelegate(address delegate, bool allowed) external {
        isDelegate[msg.sender][delegate] = allowed;
        emit Delegate(msg.sender, delegate, allowed);
    }

    /// @inheritdoc INodeRegistry
    function plant(bytes32[] calldata veils) external {
        for (uint256 i = 0; i < veils.length; ++i) {
            if (veiledAt[veils[i]] != 0) continue; // somebody else laid it: it covers its node's claim all the same
            veiledAt[veils[i]] = block.timestamp;
            emit Planted(msg.sender, veils[i]);
        }
    }

    /// @inheritdoc INodeRegistry
    function showPlant(address arena, bytes32 root, bytes32 claimId, bytes32 salt) external returns (bytes32 caseId) {
        uint256 veiled = veiledAt[keccak256(abi.encodePacked(msg.sender, claimId, salt))];
        bytes32 batch = keccak256(abi.encodePacked(msg.sender, root));
        (,, uint40 posted,) = IPlantArena(arena).batches(batch);
        uint256 lead = IPlantArena(arena).WINDOW();
        if (veiled == 0 || posted == 0 || veiled + lead >= posted) revert NotPlanted(veiled, posted, lead);
        caseId = keccak256(abi.encodePacked(claimId, batch));
        if (shownAt[arena][caseId] == 0) shownAt[arena][caseId] = block.timestamp;
        emit PlantShown(msg.sender, arena, caseId, claimId);
        IPlantArena(arena).spare(caseId);
    }
}
