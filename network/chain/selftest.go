package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bn254"
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

func probeBN254(ctx context.Context, c *Client) error {
	_, _, p, q := bn254.Generators()
	minus := p
	minus.Y.Neg(&p.Y)
	g1 := func(p bn254.G1Affine) []byte {
		x, y := p.X.Bytes(), p.Y.Bytes()
		return append(x[:], y[:]...)
	}
	// EIP-197 puts the imaginary part first.
	x1, x0, y1, y0 := q.X.A1.Bytes(), q.X.A0.Bytes(), q.Y.A1.Bytes(), q.Y.A0.Bytes()
	return pairs(ctx, c, 8, g1(p), g1(minus), bytes.Join([][]byte{x1[:], x0[:], y1[:], y0[:]}, nil))
}

func probeBLS(ctx context.Context, c *Client) error {
	_, _, p, q := bls12381.Generators()
	minus := p
	minus.Y.Neg(&p.Y)
	pad := func(b [48]byte) []byte { return append(make([]byte, 16), b[:]...) } // EIP-2537: 64 bytes an element
	g1 := func(p bls12381.G1Affine) []byte { return append(pad(p.X.Bytes()), pad(p.Y.Bytes())...) }
	return pairs(ctx, c, 15, g1(p), g1(minus), bytes.Join([][]byte{
		pad(q.X.A0.Bytes()), pad(q.X.A1.Bytes()), pad(q.Y.A0.Bytes()), pad(q.Y.A1.Bytes()),
	}, nil))
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
