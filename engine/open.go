package engine

import (
	"errors"
	"fmt"
	"runtime/debug"

	"elenchus/commitment/manifest"
)

// ErrFault marks weights that can no longer be read: their file was cut short under the program, or
// its disk failed.
var ErrFault = errors.New("cannot read the weights of a mapped model file")

// Open reads a model file and checks everything: form, graph invariants, roots and id. Where the
// system can, the file is mapped: weights are read from it as they are used and take no memory of
// the program's own. The mapping lasts as long as the program; the file may be replaced or removed
// meanwhile, but not be written to. ADR 0034. The secret of a private model is read from SecretPath.
func Open(path string) (man *manifest.Manifest, name string, err error) {
	secret, err := secretOf(path)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return OpenSecret(path, secret)
}

// OpenSecret is Open of a model that may be private, with its secret, wherever that came from.
func OpenSecret(path string, secret *manifest.Secret) (man *manifest.Manifest, name string, err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	if man, name, err = open(path, secret); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	if man.Backing != nil {
		man.Backing.Release()
	}
	return man, name, nil
}

// fault is what Go panics with at an address that cannot be read, where SetPanicOnFault is on.
type fault interface {
	error
	Addr() uintptr
}

// guard is deferred by what reads weights: a fault becomes an error instead of the program's end.
// before is what SetPanicOnFault(true) said.
func guard(before bool, err *error) {
	debug.SetPanicOnFault(before)
	v := recover()
	if f, ok := v.(fault); ok {
		*err = fmt.Errorf("%w: %w: restore the file, then start again", ErrFault, f)
	} else if v != nil {
		panic(v)
	}
}
