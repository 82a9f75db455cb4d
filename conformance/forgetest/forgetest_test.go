package forgetest_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/conformance/forgetest"
)

// program is bytecode in the making: instructions as bytes, numbers as what is pushed.
type program []byte

func (p program) op(codes ...vm.OpCode) program {
	for _, c := range codes {
		p = append(p, byte(c))
	}
	return p
}

func (p program) push(b ...byte) program {
	return append(append(p, byte(vm.PUSH1)+byte(len(b))-1), b...)
}

// to jumps, where the top of the stack is not zero, to a place that land fills in.
func (p program) to() (program, int) {
	p = p.push(0)
	return p.op(vm.JUMPI), len(p) - 1
}

func (p program) land(at int) program {
	p[at] = byte(len(p))
	return p.op(vm.JUMPDEST)
}

// cheat calls a cheat code with one word.
func (p program) cheat(signature string, argument ...byte) program {
	at := crypto.Keccak256([]byte("hevm cheat code"))[12:]
	p = p.push(crypto.Keccak256([]byte(signature))[:4]...).push(0xe0).op(vm.SHL, vm.PUSH0, vm.MSTORE)
	p = p.push(argument...).push(4).op(vm.MSTORE)
	p = p.op(vm.PUSH0, vm.PUSH0).push(0x24).op(vm.PUSH0, vm.PUSH0).push(at...)
	return p.op(vm.GAS, vm.CALL, vm.POP)
}

// call calls the contract itself; its success is on the stack, the first word that it returns at 0x80.
func (p program) call() program {
	return p.push(0x20).push(0x80).op(vm.PUSH0, vm.PUSH0, vm.PUSH0, vm.ADDRESS, vm.GAS, vm.CALL)
}

// contract is what a call from outside does, when calls from the contract itself or the sender 0xabc return
// the caller (or revert, where reverts says so).
func contract(reverts bool, body func(p program) program) program {
	p := program(nil).op(vm.CALLER).push(0x0a, 0xbc).op(vm.EQ, vm.CALLER, vm.ADDRESS, vm.EQ, vm.OR)
	p, inner := p.to()
	p, good := body(p).to()
	p = p.op(vm.PUSH0, vm.PUSH0, vm.REVERT).land(good).op(vm.STOP)
	p = p.land(inner).op(vm.CALLER, vm.PUSH0, vm.MSTORE).push(0x20).op(vm.PUSH0)
	if reverts {
		return p.op(vm.REVERT)
	}
	return p.op(vm.RETURN)
}

// load writes an artifact as forge does and loads it.
func load(t *testing.T, runtime program) *forgetest.Contract {
	t.Helper()
	n := byte(len(runtime))
	creation := program(nil).push(n).push(10).op(vm.PUSH0, vm.CODECOPY).push(n).op(vm.PUSH0, vm.RETURN)
	for len(creation) < 10 {
		creation = creation.op(vm.STOP)
	}
	dir := filepath.Join(t.TempDir(), "A.t.sol")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"abi":[{"type":"function","name":"testIt","inputs":[]},{"type":"function","name":"testWith","inputs":[{}]}],
		"bytecode":{"object":"0x%s","linkReferences":{}}}`, hex.EncodeToString(append(creation, runtime...)))
	if err := os.WriteFile(filepath.Join(dir, "A.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := forgetest.Load(filepath.Dir(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || fmt.Sprint(all[0].Tests) != "[testIt]" {
		t.Fatalf("loaded %+v", all)
	}
	return all[0]
}

// The cheat codes do what forge's do: the next call comes from who was named, a revert that was expected is
// a success, and everything else fails the test.
func TestCheatCodes(t *testing.T) {
	returned := func(p program, a ...byte) program { return p.op(vm.POP).push(0x80).op(vm.MLOAD).push(a...).op(vm.EQ) }
	other := append([]byte{1}, make([]byte, 31)...) // what reverts begins with the zeros of an address
	once := func(p program) program { return p.cheat("prank(address)", 0x0a, 0xbc).call() }
	for name, c := range map[string]struct {
		reverts bool
		body    func(p program) program
		fails   string // part of the error, "" for none
	}{
		"prank":            {false, func(p program) program { return returned(once(p), 0x0a, 0xbc) }, ""},
		"prank of another": {false, func(p program) program { return returned(once(p), 0x0a, 0xbd) }, "reverted"},
		"prank twice used": {false, func(p program) program { return returned(once(p).op(vm.POP).call(), 0x0a, 0xbc) }, "reverted"},
		"standing prank": {false, func(p program) program {
			return returned(p.cheat("startPrank(address)", 0x0a, 0xbc).call().op(vm.POP).call(), 0x0a, 0xbc)
		}, ""},
		"expected revert":   {true, func(p program) program { return p.cheat("expectRevert()", 0).call() }, ""},
		"unexpected revert": {true, func(p program) program { return p.call() }, "reverted"},
		"revert of a prank": {true, func(p program) program {
			return p.cheat("expectRevert()", 0).cheat("prank(address)", 0x0a, 0xbc).call()
		}, ""},
		"a success instead":     {false, func(p program) program { return p.cheat("expectRevert()", 0).call() }, "was to revert"},
		"that reason":           {true, func(p program) program { return p.cheat("expectRevert(bytes4)", 0).call() }, ""},
		"another reason":        {true, func(p program) program { return p.cheat("expectRevert(bytes4)", other...).call() }, "was to revert"},
		"nothing called":        {true, func(p program) program { return p.cheat("expectRevert()", 0).push(1) }, "nothing was called"},
		"warp":                  {false, func(p program) program { return p.cheat("warp(uint256)", 77).op(vm.TIMESTAMP).push(77).op(vm.EQ) }, ""},
		"roll":                  {false, func(p program) program { return p.cheat("roll(uint256)", 78).op(vm.NUMBER).push(78).op(vm.EQ) }, ""},
		"fee":                   {false, func(p program) program { return p.cheat("fee(uint256)", 79).op(vm.BASEFEE).push(79).op(vm.EQ) }, ""},
		"chain":                 {false, func(p program) program { return p.cheat("chainId(uint256)", 80).op(vm.CHAINID).push(80).op(vm.EQ) }, ""},
		"gas price":             {false, func(p program) program { return p.cheat("txGasPrice(uint256)", 81).op(vm.GASPRICE).push(81).op(vm.EQ) }, ""},
		"an unknown cheat code": {false, func(p program) program { return p.cheat("gift(address)", 1).push(1) }, "not known"},
	} {
		x := load(t, contract(c.reverts, c.body))
		err := x.Run("testIt", nil, false)
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
	}
}

// A folder without tests is refused, so that a campaign does not run without them.
func TestNothingToRunIsAnError(t *testing.T) {
	if _, err := forgetest.Load(t.TempDir(), nil); err == nil {
		t.Error("an empty folder was loaded")
	}
}
