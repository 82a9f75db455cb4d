package forgetest

import (
	"bytes"
	"errors"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// logged is an event as getRecordedLogs returns it.
type logged struct {
	Topics  []common.Hash
	Data    []byte
	Emitter common.Address
}

// mocked is the account that answers mocked calls.
type mocked cheats

// RequiredGas is for the EVM.
func (m *mocked) RequiredGas([]byte) uint64 { return 0 }

// Run is for the EVM.
func (m *mocked) Run([]byte) ([]byte, error) { return m.answer, nil }

// Name is for the EVM.
func (m *mocked) Name() string { return "mocked calls" }

// cheatCode is the account of the cheat codes.
type cheatCode cheats

// RequiredGas is for the EVM.
func (c *cheatCode) RequiredGas([]byte) uint64 { return 0 }

// Name is for the EVM.
func (c *cheatCode) Name() string { return "cheat codes" }

// Run is for the EVM. A cheat code that is none of the table fails the test.
func (c *cheatCode) Run(input []byte) ([]byte, error) {
	x := (*cheats)(c)
	if len(input) >= 4 {
		for signature, do := range codes() {
			if bytes.Equal(crypto.Keccak256([]byte(signature))[:4], input[:4]) {
				return do(x, append(input[4:len(input):len(input)], make([]byte, 96)...))
			}
		}
	}
	x.fail("a cheat code that is not known: %x", input)
	return nil, errors.New("unknown cheat code")
}

// word is an argument of a cheat code.
func word(in []byte, i int) *big.Int { return new(big.Int).SetBytes(in[32*i:][:32]) }

// tail is an argument whose place is given by word i.
func tail(in []byte, i int) []byte {
	at := word(in, i).Uint64()
	size := new(big.Int).SetBytes(in[at:][:32]).Uint64()
	return bytes.Clone(in[at+32:][:size])
}

// packed is the encoding of bytes as a result.
func packed(b []byte) []byte {
	out := append(common.BigToHash(big.NewInt(32)).Bytes(), common.BigToHash(big.NewInt(int64(len(b)))).Bytes()...)
	return append(append(out, b...), make([]byte, (32-len(b)%32)%32)...)
}

// number is a result of one word.
func number(n uint64) []byte { return common.BigToHash(new(big.Int).SetUint64(n)).Bytes() }

// recorded gives the events since the last time.
func (x *cheats) recorded([]byte) ([]byte, error) {
	of, err := abi.NewType("tuple[]", "", []abi.ArgumentMarshaling{{Name: "topics", Type: "bytes32[]"}, {Name: "data", Type: "bytes"},
		{Name: "emitter", Type: "address"}})
	if err != nil {
		return nil, err
	}
	logs := x.logs
	x.logs = []logged{}
	return abi.Arguments{{Type: of}}.Pack(logs)
}

// codes are the cheat codes by signature.
func codes() map[string]func(x *cheats, in []byte) ([]byte, error) {
	did := func(f func(x *cheats, in []byte)) func(*cheats, []byte) ([]byte, error) {
		return func(x *cheats, in []byte) ([]byte, error) {
			f(x, in)
			return nil, nil
		}
	}
	prank := func(standing bool) func(*cheats, []byte) ([]byte, error) {
		return did(func(x *cheats, in []byte) {
			who := common.Address(in[12:32])
			x.sender, x.standing = &who, standing
		})
	}
	return map[string]func(x *cheats, in []byte) ([]byte, error){
		"prank(address)":      prank(false),
		"startPrank(address)": prank(true),
		"stopPrank()":         did(func(x *cheats, _ []byte) { x.sender, x.standing = nil, false }),
		"warp(uint256)":       did(func(x *cheats, in []byte) { x.evm.Context.Time = word(in, 0).Uint64() }),
		"roll(uint256)":       did(func(x *cheats, in []byte) { x.evm.Context.BlockNumber = word(in, 0) }),
		"fee(uint256)":        did(func(x *cheats, in []byte) { x.evm.Context.BaseFee = word(in, 0) }),
		"chainId(uint256)":    did(func(x *cheats, in []byte) { x.evm.ChainConfig().ChainID = word(in, 0) }),
		"txGasPrice(uint256)": did(func(x *cheats, in []byte) {
			x.evm.TxContext.GasPrice = uint256.MustFromBig(word(in, 0))
		}),
		"expectRevert()":       did(func(x *cheats, _ []byte) { x.expects = &expectation{any: true} }),
		"expectRevert(bytes4)": did(func(x *cheats, in []byte) { x.expects = &expectation{head: true, data: bytes.Clone(in[:4])} }),
		"expectRevert(bytes)":  did(func(x *cheats, in []byte) { x.expects = &expectation{data: tail(in, 0)} }),
		"mockCall(address,bytes,bytes)": did(func(x *cheats, in []byte) {
			x.mocks = append(x.mocks, mock{common.Address(in[12:32]), tail(in, 1), tail(in, 2)})
		}),
		"clearMockedCalls()": did(func(x *cheats, _ []byte) { x.mocks = nil }),
		"addr(uint256)": func(_ *cheats, in []byte) ([]byte, error) {
			key, err := crypto.ToECDSA(in[:32])
			if err != nil {
				return nil, err
			}
			return common.BytesToHash(crypto.PubkeyToAddress(key.PublicKey).Bytes()).Bytes(), nil
		},
		"sign(uint256,bytes32)": func(_ *cheats, in []byte) ([]byte, error) {
			key, err := crypto.ToECDSA(in[:32])
			if err != nil {
				return nil, err
			}
			s, err := crypto.Sign(in[32:64], key)
			if err != nil {
				return nil, err
			}
			return append(common.BigToHash(big.NewInt(int64(s[64])+27)).Bytes(), s[:64]...), nil
		},
		"recordLogs()":      did(func(x *cheats, _ []byte) { x.recording, x.logs = true, nil }),
		"getRecordedLogs()": (*cheats).recorded,
		"lastCallGas()": func(x *cheats, _ []byte) ([]byte, error) {
			return append(append(make([]byte, 32), number(x.used)...), make([]byte, 96)...), nil
		},
		"snapshotState()": func(x *cheats, _ []byte) ([]byte, error) {
			id := x.db.Snapshot()
			x.times[id] = x.evm.Context.Time
			return number(uint64(id)), nil
		},
		"revertToState(uint256)": func(x *cheats, in []byte) ([]byte, error) {
			id := int(word(in, 0).Int64())
			x.db.RevertToSnapshot(id)
			x.evm.Context.Time = x.times[id]
			return number(1), nil
		},
		"getCode(string)": func(x *cheats, in []byte) ([]byte, error) {
			name, _, _ := strings.Cut(string(tail(in, 0)), ".sol")
			code, err := x.creation(name)
			return packed(code), err
		},
	}
}
