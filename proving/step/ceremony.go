package step

import (
	"encoding/hex"
	"fmt"

	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/frontend"
)

// CeremonyOrigin begins the origin of Groth16 keys that several parties made; the digest of what they published
// comes after.
const CeremonyOrigin = "ceremony-"

// CeremonyKey is the Groth16 key that a ceremony made for a circuit. It returns ErrKey for a key that has another
// number of public inputs than the circuit.
func CeremonyKey(c frontend.Circuit, pk *groth16.ProvingKey, vk *groth16.VerifyingKey, transcript [32]byte) (*Key, error) {
	system, err := Compile(Groth16, c)
	if err != nil {
		return nil, err
	}
	k := &Key{System: Groth16, Constraints: system.GetNbConstraints(), system: system, groth16Pk: pk, groth16Vk: vk,
		Origin: CeremonyOrigin + hex.EncodeToString(transcript[:])}
	if want := system.GetNbPublicVariables() - 1; k.Publics() != want {
		return nil, fmt.Errorf("%w: %d public inputs, the circuit has %d", ErrKey, k.Publics(), want)
	}
	k.Digest, err = digest(system)
	return k, err
}
