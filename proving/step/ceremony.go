package step

import (
	"encoding/hex"
	"fmt"

	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
)

// CeremonyOrigin begins the origin of Groth16 keys that several parties made; the digest of what they published
// comes after.
const CeremonyOrigin = "ceremony-"

// CeremonyKey is the Groth16 key that a ceremony made for a circuit that Compile gave. It returns ErrKey for a key that
// has another number of public inputs than the circuit.
func CeremonyKey(system *cs.R1CS, pk *groth16.ProvingKey, vk *groth16.VerifyingKey, transcript [32]byte) (k *Key, err error) {
	k = &Key{System: Groth16, Constraints: system.GetNbConstraints(), system: system, groth16Pk: pk, groth16Vk: vk,
		Origin: CeremonyOrigin + hex.EncodeToString(transcript[:])}
	if want := system.GetNbPublicVariables() - 1; k.Publics() != want {
		return nil, fmt.Errorf("%w: %d public inputs, the circuit has %d", ErrKey, k.Publics(), want)
	}
	k.Digest, err = digest(system)
	return k, err
}
