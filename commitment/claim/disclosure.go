package claim

import "fmt"

// FetchType is the EIP-712 type of what a party signs to be given the data of a claim. SPEC 07 §10.
const FetchType = "Fetch(bytes32 claim)"

// classNames are the data classes by number. SPEC 07 §10.
var classNames = [...]string{Public: "public", Parties: "parties", Sealed: "sealed"}

// ClassName is the word for a data class, or its number where there is none.
func ClassName(class uint8) string {
	if int(class) < len(classNames) {
		return classNames[class]
	}
	return fmt.Sprint(class)
}

// ParseClass reads the word for a data class; false if it is none.
func ParseClass(name string) (class uint8, ok bool) {
	for i, n := range classNames {
		if n == name {
			return uint8(i), true
		}
	}
	return 0, false
}

// FetchDigest is what a party signs to be given the data of a claim. Whoever repeats the signature gets
// what only the party can read.
func FetchDigest(d Domain, id Hash) Hash {
	return d.Digest(newWords(FetchType, 1).hash(id).sum())
}

// DeliveryInfo binds an encrypted delivery to the claim and to what is delivered: "receipt", "states" or
// "steps/t/stage/tensor".
func DeliveryInfo(id Hash, what string) []byte {
	return fmt.Appendf(nil, "elenchus/delivery/1|%x|%s", id, what)
}
