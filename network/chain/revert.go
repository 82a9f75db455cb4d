package chain

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// maxRevertData bounds what is kept of a contract's revert data, in bytes.
const maxRevertData = 64 << 10

// RevertError is a call that the EVM undid.
type RevertError struct {
	// Data is what the contract returned: a selector and its arguments, or
	// nothing. At most 64 KiB.
	Data []byte
	// Reason is a readable form: the text of Error(string), the code of
	// Panic(uint256), or the node's own words (such as "out of gas").
	Reason string
}

// Error returns the reason, or the selector of a custom error.
func (e *RevertError) Error() string {
	switch {
	case e.Reason != "":
		return "execution reverted: " + e.Reason
	case len(e.Data) >= 4:
		return fmt.Sprintf("execution reverted with custom error %#x", e.Data[:4])
	}
	return "execution reverted without a reason"
}

// Selector returns the first four bytes of Data; ok is false if there are fewer.
func (e *RevertError) Selector() (s [4]byte, ok bool) {
	return s, copy(s[:], e.Data) == 4
}

// IsError reports whether the contract raised the error with the given signature,
// such as "NotYourTurn(uint256)".
func (e *RevertError) IsError(signature string) bool {
	return len(e.Data) >= 4 && bytes.Equal(e.Data[:4], crypto.Keccak256([]byte(signature))[:4])
}

// newRevert decodes revert data, which is untrusted.
func newRevert(data []byte, fallback string) *RevertError {
	e := &RevertError{Data: bytes.Clone(data[:min(len(data), maxRevertData)])}
	if len(data) <= maxRevertData {
		if reason, err := abi.UnpackRevert(data); err == nil {
			e.Reason = printable(reason)
			return e
		}
	}
	if len(data) < 4 {
		e.Reason = printable(fallback)
	}
	return e
}

// printable bounds and cleans a text that a contract or a node chose.
func printable(s string) string {
	const limit = 512
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return s[:min(len(s), limit)]
}

// asRevert turns a node's answer to a call into a *RevertError if it tells of a
// failed execution, and returns other errors as they are.
func asRevert(err error) error {
	var withData rpc.DataError
	if errors.As(err, &withData) {
		if text, ok := withData.ErrorData().(string); ok && len(text) <= 2*maxRevertData+2 {
			if data, e := hexutil.Decode(text); e == nil {
				return newRevert(data, "")
			}
		}
	}
	text := err.Error()
	for _, failure := range []string{"execution reverted", "out of gas", "invalid opcode", "invalid jump", "stack", "write protection"} {
		if strings.Contains(strings.ToLower(text), failure) && isRPC(err) {
			return newRevert(nil, strings.TrimPrefix(text, "execution reverted: "))
		}
	}
	return err
}

// isRPC tells an answer of the node from a failure to reach it.
func isRPC(err error) bool {
	var answer rpc.Error
	return errors.As(err, &answer)
}
