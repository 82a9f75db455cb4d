package conformance_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
)

// stand is one contract on a chain of its own, at whose borders something is done.
type stand struct {
	*judge
	testing.TB
	face abi.ABI
	at   common.Address
}

func newStand(t testing.TB, name string, args ...any) *stand {
	t.Helper()
	s := &stand{judge: bareJudge(t), TB: t}
	s.face, s.at = s.deploy(t, name, args...)
	return s
}

// ask is a call from an account: what it returns, and the custom error of its refusal.
func (s *stand) ask(from common.Address, method string, args ...any) ([]any, string) {
	s.Helper()
	input, err := s.face.Pack(method, args...)
	if err != nil {
		s.Fatalf("%s: %v", method, err)
	}
	s.cfg.Origin = from
	out, _, err := s.call(s.at, input)
	if err != nil {
		return nil, refusal(out, s.face)
	}
	values, err := s.face.Unpack(method, out)
	if err != nil {
		s.Fatalf("%s: %v", method, err)
	}
	return values, ""
}

// want calls and compares the reason, "" for none.
func (s *stand) want(reason string, from common.Address, method string, args ...any) []any {
	s.Helper()
	values, got := s.ask(from, method, args...)
	if got != reason {
		s.Errorf("%s%v: %q, want %q", method, args, got, reason)
	}
	return values
}

// says compares what a view returns first.
func (s *stand) says(want any, method string, args ...any) {
	s.Helper()
	got := s.want("", stranger, method, args...)
	if n, ok := want.(*big.Int); ok && len(got) > 0 {
		if x, ok := got[0].(*big.Int); !ok || x.Cmp(n) != 0 {
			s.Errorf("%s%v: %v, want %d", method, args, got, n)
		}
		return
	}
	if len(got) == 0 || got[0] != want {
		s.Errorf("%s%v: %v, want %v", method, args, got, want)
	}
}

// back undoes everything that f does to the chain.
func (s *stand) back(f func()) {
	cfg := *s.cfg
	s.cfg.State = cfg.State.Copy()
	f()
	*s.cfg = cfg
}

// refuses runs the constructor again, with other arguments.
func (s *stand) refuses(reason, name string, args ...any) {
	s.Helper()
	face, creation := artifactOf(s.TB, name)
	packed, err := face.Pack("", args...)
	if err != nil {
		s.Fatal(err)
	}
	out, _, _, err := runtime.Create(append(creation, packed...), s.cfg)
	if got := refusal(out, face); err == nil && reason != "" || err != nil && got != reason {
		s.Errorf("%s%v: %q, want %q", name, args, got, reason)
	}
}

// words puts a contract that answers every call with these words.
func (s *stand) words(at common.Address, words ...uint64) {
	var code []byte
	for i, w := range words {
		code = append(append(code, byte(vm.PUSH8)), new(big.Int).SetUint64(w).FillBytes(make([]byte, 8))...)
		code = append(code, byte(vm.PUSH2), byte(i>>3), byte(i<<5), byte(vm.MSTORE))
	}
	code = append(code, byte(vm.PUSH2), byte(len(words)>>3), byte(len(words)<<5), byte(vm.PUSH0), byte(vm.RETURN))
	s.cfg.State.SetCode(at, code, 0)
}

// account is one of some addresses.
func account(n byte) (a common.Address) { return common.Address(bytes.Repeat([]byte{n}, 20)) }
