package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
)

// Probe is one look at what a chain computes.
type Probe struct {
	Name  string `json:"name"`
	For   string `json:"for"` // what of the contracts needs it
	Error string `json:"error,omitempty"`

	needed bool
}

// SelfTest asks the chain for what the contracts rely on, with inputs whose results are known here:
// precompiled contracts and instructions. The error matches ErrPrecompile if something is wrong without which no
// contract works; the probes say what else is missing.
func SelfTest(ctx context.Context, c *Client) ([]Probe, error) {
	var out []Probe
	var errs error
	for _, p := range []struct {
		Probe
		run func(context.Context, *Client) error
	}{
		{Probe{"instructions", "all contracts (Osaka)", "", true}, probeInstructions},
		{Probe{"SHA-256, signatures", "trees and receipts", "", true}, checkPrecompiles},
		{Probe{"BN254 pairing", "proofs as answers", "", false}, probeBN254},
		{Probe{"BLS12-381 pairing", "the public beacon", "", false}, probeBLS},
	} {
		if err := p.run(ctx, c); err != nil {
			p.Error = err.Error()
			if p.needed {
				errs = errors.Join(errs, err)
			}
		}
		out = append(out, p.Probe)
	}
	return out, errs
}

// probeInstructions runs code with the newest instructions that the compiler of the contracts uses: PUSH0
// and MCOPY. It copies a word and returns the copy.
func probeInstructions(ctx context.Context, c *Client) error {
	code := common.FromHex("602a" + "5f52" + "6020" + "5f" + "6020" + "5e" + "6020" + "6020" + "f3") // mstore(0, 42) mcopy(32, 0, 32) return(32, 32)
	got, err := c.eth.CallContract(ctx, ethereum.CallMsg{Data: code}, nil)
	if err != nil {
		return fmt.Errorf("%w: run PUSH0 and MCOPY: %w", ErrPrecompile, err)
	}
	if want := common.LeftPadBytes([]byte{42}, 32); !bytes.Equal(got, want) {
		return fmt.Errorf("%w: MCOPY gives %x, want %x", ErrPrecompile, got, want)
	}
	return nil
}

// pairs holds that e(P, Q) e(-P, Q) is one and e(P, Q) e(P, Q) is not.
func pairs(ctx context.Context, c *Client, at byte, p, minus, q []byte) error {
	for _, x := range []struct {
		second []byte
		want   byte
	}{{minus, 1}, {p, 0}} {
		got, err := c.Call(ctx, common.Address{}, common.BytesToAddress([]byte{at}), bytes.Join([][]byte{p, q, x.second, q}, nil))
		if err != nil {
			return fmt.Errorf("call precompile %d: %w", at, err)
		}
		if want := common.LeftPadBytes([]byte{x.want}, 32); !bytes.Equal(got, want) {
			return fmt.Errorf("%w: the pairing of %d gives %x, want %x", ErrPrecompile, at, got, want)
		}
	}
	return nil
}

// Generators of the two groups as EIP-197 writes them, the imaginary part of an element first; bn254Neg is the
// negative of the first.
const (
	bn254G1  = "0000000000000000000000000000000000000000000000000000000000000001" + "0000000000000000000000000000000000000000000000000000000000000002"
	bn254Neg = "0000000000000000000000000000000000000000000000000000000000000001" + "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45"
	bn254G2  = "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2" + "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed" +
		"090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b" + "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
)

func probeBN254(ctx context.Context, c *Client) error {
	return pairs(ctx, c, 8, common.FromHex(bn254G1), common.FromHex(bn254Neg), common.FromHex(bn254G2))
}

// Generators of the two groups of BLS12-381, big-endian, the real part of an element first; EIP-2537 puts 16
// zero bytes before each number.
var (
	blsG1 = []string{
		"17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
		"08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1",
	}
	blsNeg = []string{blsG1[0], "114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca"}
	blsG2  = []string{
		"024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8",
		"13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e",
		"0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801",
		"0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be",
	}
)

func probeBLS(ctx context.Context, c *Client) error {
	padded := func(numbers []string) []byte {
		var b []byte
		for _, n := range numbers {
			b = append(append(b, make([]byte, 16)...), common.FromHex(n)...)
		}
		return b
	}
	return pairs(ctx, c, 15, padded(blsG1), padded(blsNeg), padded(blsG2))
}

// Cost is what a deployment of plan takes at most of an account now, in wei: twice the gas of Osaka's rules
// at the fees that would be paid.
func Cost(plan []Planned, fees Fees) *big.Int {
	gas := uint64(0)
	for _, p := range plan {
		if !p.There {
			gas += 100_000 + uint64(p.Size)*(200+16+16)
		}
	}
	return new(big.Int).Mul(new(big.Int).SetUint64(2*gas), fees.Cap)
}
