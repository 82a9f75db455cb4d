// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Build} from "./Build.sol";
import {GraphWorld} from "./GraphWorld.sol";
import {TokenWorld} from "./TokenWorld.sol";
import {GameState as G} from "../../src/libraries/GameState.sol";

/// @notice Every refusal has a name: SPEC 08 §9. Games on the graph model, every payload cut short.
contract NamedGraphTest is GraphWorld {
    using Build for Build.Tree;

    function testShortPayloadsAreRefusedByName() public {
        _run(true);
        truncating = true;
        _toPick();
        _move(opener, arena.pick.selector, _descendPayload(3));
        Build.Tree memory t = _tree(3);
        _move(node, arena.children.selector, Build.pack(t.levels[0]));
        uint256 i = LIE * 4 / 64;
        _move(opener, arena.child.selector, abi.encodePacked(uint8(i), t.levels[0][i], t.sib(i, i + 1)));
        _move(node, arena.raw.selector, Build.leafAt(tensors[3], 64, i));
        _move(opener, arena.element.selector, abi.encodePacked(uint16(LIE % 16)));
        _answer(stranger, _answerPayload(3, LIE));
        _phase(G.REFUTED);
    }

    function testShortOpeningsVerdictsAndHeldAreRefusedByName() public {
        _run(true);
        _commit(claim, 0);
        bytes memory payload = _signedPayload(claim, 0);
        uint256 full = payload.length;
        for (uint256 size = 0; size < full; size = _next(size, full)) {
            _refused(opener, abi.encodeCall(arena.open, (_head(payload, size), "")));
        }
        for (uint256 size = 1; size < 65; size = _next(size, 65)) {
            _refused(opener, abi.encodeCall(arena.open, (payload, new bytes(size))));
        }
        _as(opener, abi.encodeCall(arena.open, (payload, "")));
        for (uint256 size = 0; size < 375; size = _next(size, 375)) {
            _refused(node, abi.encodeCall(arena.reveal, (game, _head(state, size), _revealPayload(), "")));
            _refused(stranger, abi.encodeCall(arena.timeout, (game, _head(state, size), job)));
        }
        vm.warp(_get(G.LAST) + 1);
        for (uint256 size = 0; size < 296; size = _next(size, 296)) {
            _refused(stranger, abi.encodeCall(arena.timeout, (game, state, _head(job, size))));
        }
        _timeout();
        for (uint256 size = 0; size < 162; size = _next(size, 162)) {
            _refused(stranger, abi.encodeCall(arena.resolve, (game, _head(verdict, size), "")));
        }
        _resolve();
        vm.warp(block.timestamp + 601);
        for (uint256 size = 0; size < 116; size = _next(size, 116)) {
            _refused(stranger, abi.encodeCall(arena.settle, (_case(claim, 0), _head(held, size))));
        }
        arena.settle(_case(claim, 0), held);
    }

    function _head(bytes memory b, uint256 size) private pure returns (bytes memory head) {
        head = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            head[i] = b[i];
        }
    }

    function _refused(address who, bytes memory call) private {
        vm.prank(who);
        (bool ok, bytes memory failure) = address(arena).call(call);
        check(!ok, "short bytes are taken");
        _named(failure);
    }
}

/// @notice The same on the token model, for the moves that only it has.
contract NamedTokenTest is TokenWorld {
    using Build for Build.Tree;

    function testShortPayloadsOfRowsAreRefusedByName() public {
        _open(claim, ANY_STATES);
        truncating = true;
        Build.Tree memory s = _states();
        _move(node, arena.children.selector, Build.pack(s.levels[0]));
        _move(opener, arena.child.selector, abi.encodePacked(uint8(5), hashes[5], s.sib(5, 6)));
        _move(node, arena.reveal.selector, _revealPayload(5));
        _move(opener, arena.stage.selector, hex"ffff");
        _move(node, arena.rows.selector, _rowsPayload(5));
        _move(opener, arena.layer.selector, hex"0001");
        _move(node, arena.tensors.selector, _tensorsPayload(2, 5));
        _pick(1, 3);
        _answer(node, _answerPayload(2, 1, 5));
        _phase(G.LOST);
    }

    function testShortPayloadsOfOutputsAreRefusedByName() public {
        _open(claim, ANY_OUTPUTS);
        truncating = true;
        Build.Tree memory o = Build.ofBytes(outputs, 64);
        _move(node, arena.children.selector, Build.pack(o.levels[0]));
        _move(opener, arena.child.selector, abi.encodePacked(uint8(2), o.levels[0][2], o.sib(2, 3)));
        _move(node, arena.raw.selector, Build.leafAt(outputs, 64, 2));
        _move(opener, arena.element.selector, abi.encodePacked(uint16(7), job));
        _move(node, arena.reveal.selector, _revealPayload(STATES - 1));
        _phase(G.STAGE_PICK);
    }
}
