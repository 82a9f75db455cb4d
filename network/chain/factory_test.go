package chain

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// TestFactory: the creation's made-up signature recovers the account whose first contract is the factory,
// and its constructor returns the factory's code.
func TestFactory(t *testing.T) {
	tx, from, err := factoryTx()
	if err != nil {
		t.Fatal(err)
	}
	if got := crypto.CreateAddress(from, tx.Nonce()); got != Factory {
		t.Errorf("creation by %v is at %v, want %v", from, got, Factory)
	}
	if len(FactoryCode()) != 69 || !bytes.HasSuffix(tx.Data(), FactoryCode()) {
		t.Errorf("creation code %x does not end in the factory's code %x", tx.Data(), FactoryCode())
	}
}

// TestAddressesOfCreation2: another salt or other code is another address.
func TestAddressesOfCreation2(t *testing.T) {
	one := creation2([32]byte{}, []byte{0})
	for name, other := range map[string]common.Address{"salt": creation2([32]byte{31: 1}, []byte{0}), "code": creation2([32]byte{}, []byte{1})} {
		if one == other {
			t.Errorf("another %s is at the same address %v", name, one)
		}
	}
}
