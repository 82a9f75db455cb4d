package forgetest

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// The account of the cheat codes, and one whose answers are those of mocked calls.
var (
	cheatAt = common.BytesToAddress(crypto.Keccak256([]byte("hevm cheat code"))[12:])
	mockAt  = common.BytesToAddress(crypto.Keccak256([]byte("mocked calls"))[12:])
)

// cheats are what the cheat codes have brought about in a call of a test.
type cheats struct {
	evm      *vm.EVM
	db       *state.StateDB
	creation Creation
	watch    *tracing.Hooks
	failure  error

	sender   *common.Address // of the next call, or of all until stopPrank
	standing bool
	expects  *expectation // of the next call
	depth    int          // of the frame that called the cheat code last
	mocks    []mock
	answer   []byte // of the mocked call that comes next

	posts     []post                    // whose code stands in for a sender, the innermost last
	code      map[common.Address][]byte // of senders, while a post has their place
	recording bool
	logs      []logged
	cheating  bool   // the call that is made is one of a cheat code
	used      uint64 // gas of the last call that the test made

	times map[int]uint64 // of snapshots

	wait int          // depth at which a creation is expected to fail, 0 for none
	died *expectation // what that creation was to revert with
}

// expectation is what the next call must revert with: any data, data that begin so, or just these.
type expectation struct {
	any  bool
	data []byte
	head bool
}

func (e *expectation) met(out []byte) bool {
	return e.any || e.head && bytes.HasPrefix(out, e.data) || bytes.Equal(out, e.data)
}

// mock answers calls to an account whose input begins with data.
type mock struct {
	at           common.Address
	data, result []byte
}

// post is a call in the name of a sender: its depth, the true target and what is expected of it.
type post struct {
	depth   int
	sender  common.Address
	target  common.Address
	expects *expectation
}

// postCode hands a call on: whoever has this code is its sender. The tracer names the target, and where a
// revert was expected, makes a success of it whose result is the zeros of the first kilobyte.
var postCode = []byte{
	byte(vm.PUSH0), byte(vm.PUSH2), 0x03, 0xe0, byte(vm.MSTORE),
	byte(vm.CALLDATASIZE), byte(vm.PUSH0), byte(vm.PUSH0), byte(vm.CALLDATACOPY),
	byte(vm.PUSH0), byte(vm.PUSH0), byte(vm.CALLDATASIZE), byte(vm.PUSH0), byte(vm.CALLVALUE), byte(vm.PUSH0), byte(vm.GAS), byte(vm.CALL),
	byte(vm.RETURNDATASIZE), byte(vm.PUSH0), byte(vm.PUSH0), byte(vm.RETURNDATACOPY),
	byte(vm.RETURNDATASIZE), byte(vm.SWAP1), byte(vm.PUSH1), 29, byte(vm.JUMPI),
	byte(vm.PUSH0), byte(vm.REVERT), byte(vm.STOP),
	byte(vm.JUMPDEST), byte(vm.PUSH0), byte(vm.RETURN),
}

// resultSize is how much a call returns that reverted as expected: zeros, whatever the type.
const resultSize = 1024

func (x *cheats) hooks() *tracing.Hooks {
	h := &tracing.Hooks{OnExit: x.exit}
	h.OnEnter = func(_ int, _ byte, _, to common.Address, _ []byte, _ uint64, _ *big.Int) { x.cheating = to == cheatAt }
	h.OnOpcode = func(pc uint64, op byte, gas, cost uint64, scope tracing.OpContext, data []byte, depth int, err error) {
		if err == nil {
			x.step(vm.OpCode(op), scope, data, depth)
		}
		if x.watch != nil {
			x.watch.OnOpcode(pc, op, gas, cost, scope, data, depth, err)
		}
	}
	return h
}

// step sees every instruction before it runs.
func (x *cheats) step(op vm.OpCode, scope tracing.OpContext, data []byte, depth int) {
	if x.wait == depth && x.died != nil {
		x.created(scope, data)
	}
	switch op {
	case vm.CALL, vm.STATICCALL:
		x.call(op, scope, depth)
	case vm.CREATE, vm.CREATE2:
		if x.expects != nil && depth == x.depth {
			x.wait, x.died, x.expects = depth, x.expects, nil
		}
	case vm.LOG0, vm.LOG1, vm.LOG2, vm.LOG3, vm.LOG4:
		if x.recording {
			x.record(int(op-vm.LOG0), scope)
		}
	case vm.JUMPI:
		if bytes.Equal(scope.ContractCode(), postCode) {
			x.judged(scope)
		}
	}
}

// record keeps an event with n topics.
func (x *cheats) record(n int, scope tracing.OpContext) {
	s := scope.StackData()
	l := logged{Data: input(scope, len(s)-1), Emitter: scope.Address(), Topics: []common.Hash{}}
	for i := range n {
		l.Topics = append(l.Topics, s[len(s)-3-i].Bytes32())
	}
	x.logs = append(x.logs, l)
}

// created makes a success of a creation that failed as expected: the instruction behind it sees an address.
func (x *cheats) created(scope tracing.OpContext, data []byte) {
	s := scope.StackData()
	top := &s[len(s)-1]
	if !top.IsZero() || !x.died.met(data) {
		x.fail("a creation was to revert with %x, not with %x", x.died.data, data)
	}
	top.SetOne()
	x.wait, x.died = 0, nil
}

// call turns a call to where the cheat codes want it.
func (x *cheats) call(op vm.OpCode, scope tracing.OpContext, depth int) {
	s := scope.StackData()
	to := &s[len(s)-2]
	if bytes.Equal(scope.ContractCode(), postCode) {
		p := x.posts[len(x.posts)-1]
		to.SetBytes(p.target[:])
		x.db.SetCode(p.sender, x.code[p.sender], tracing.CodeChangeUnspecified)
	} else if at := common.Address(to.Bytes20()); at == cheatAt {
		x.depth = depth
		return
	} else if (x.sender != nil || x.expects != nil) && depth == x.depth {
		x.stand(scope.Address(), at, to, depth)
		return
	}
	at := common.Address(to.Bytes20())
	for _, m := range x.mocks {
		if input := inputOf(op, scope); m.at == at && bytes.HasPrefix(input, m.data) {
			x.answer = m.result
			to.SetBytes(mockAt[:])
		}
	}
}

// stand puts a post in the place of the sender.
func (x *cheats) stand(from, at common.Address, to *uint256.Int, depth int) {
	if x.sender != nil {
		from = *x.sender
	}
	x.posts = append(x.posts, post{depth, from, at, x.expects})
	x.code[from] = x.db.GetCode(from)
	x.db.SetCode(from, postCode, tracing.CodeChangeUnspecified)
	to.SetBytes(from[:])
	if x.expects = nil; !x.standing {
		x.sender = nil
	}
}

// judged decides how a call ended that a post handed on.
func (x *cheats) judged(scope tracing.OpContext) {
	e := x.posts[len(x.posts)-1].expects
	if e == nil {
		return
	}
	s, memory := scope.StackData(), scope.MemoryData()
	ok, size := &s[len(s)-2], &s[len(s)-3]
	if out := memory[:size.Uint64()]; !ok.IsZero() || !e.met(out) {
		x.fail("a call was to revert with %x, not with %x", e.data, out)
	}
	ok.SetOne()
	size.SetUint64(resultSize)
	clear(memory[:resultSize])
}

// exit gives a sender its code back also where the call was undone.
func (x *cheats) exit(depth int, _ []byte, used uint64, _ error, _ bool) {
	n := len(x.posts)
	if x.cheating {
		x.cheating = false
		return
	}
	if n == 0 && depth == x.depth || n > 0 && x.posts[n-1].depth+1 == depth {
		x.used = used
	}
	if n > 0 && x.posts[n-1].depth == depth {
		p := x.posts[n-1]
		x.posts = x.posts[:n-1]
		x.db.SetCode(p.sender, x.code[p.sender], tracing.CodeChangeUnspecified)
	}
}

func (x *cheats) fail(format string, args ...any) {
	if x.failure == nil {
		x.failure = fmt.Errorf(format, args...)
	}
}

// inputOf is what a call is given.
func inputOf(op vm.OpCode, scope tracing.OpContext) []byte {
	if op == vm.STATICCALL {
		return input(scope, len(scope.StackData())-3)
	}
	return input(scope, len(scope.StackData())-4)
}

// input is the memory whose offset stands at a place of the stack, and its size below: at most 64 KiB.
func input(scope tracing.OpContext, at int) []byte {
	s := scope.StackData()
	offset, size := s[at].Uint64(), s[at-1].Uint64()
	memory := scope.MemoryData() // as it is before the instruction makes it larger
	out := make([]byte, min(size, resultSize*64))
	if offset < uint64(len(memory)) {
		copy(out, memory[offset:])
	}
	return out
}
