// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The few cheat codes that the tests use.
interface Vm {
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function deal(address account, uint256 amount) external;
    function warp(uint256 time) external;
    function roll(uint256 number) external;
    function etch(address account, bytes calldata code) external;
    function assume(bool condition) external;
    function fee(uint256 baseFee) external;
    function chainId(uint256 id) external;
    function txGasPrice(uint256 price) external;
    function sign(uint256 key, bytes32 digest) external returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external returns (address);
    function getCode(string calldata artifact) external view returns (bytes memory creation);
    function getNonce(address account) external view returns (uint64);
    function computeCreateAddress(address creator, uint256 nonce) external pure returns (address);
    function mockCall(address account, bytes calldata data, bytes calldata result) external;
    function clearMockedCalls() external;
}

/// @notice Base of the Solidity tests: assertions that revert with both values.
abstract contract Check {
    error Differs(string what, int256 got, int256 want);
    error DiffersWord(string what, bytes32 got, bytes32 want);
    error Untrue(string what);

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @notice Deploys a contract by the artifact that was compiled for it, so that tests do not hold its code: `name` is its file
    /// and its own name.
    function deploy(string memory name, bytes memory arguments) internal returns (address at) {
        bytes memory creation = bytes.concat(vm.getCode(string.concat(name, ".sol:", name)), arguments);
        assembly ("memory-safe") {
            at := create(0, add(creation, 32), mload(creation))
        }
        check(at != address(0), name);
    }

    function check(bool condition, string memory what) internal pure {
        if (!condition) revert Untrue(what);
    }

    function same(int256 got, int256 want, string memory what) internal pure {
        if (got != want) revert Differs(what, got, want);
    }

    function same(uint256 got, uint256 want, string memory what) internal pure {
        if (got != want) revert Differs(what, int256(got), int256(want));
    }

    function same(bytes32 got, bytes32 want, string memory what) internal pure {
        if (got != want) revert DiffersWord(what, got, want);
    }
}
