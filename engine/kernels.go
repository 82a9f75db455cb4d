package engine

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/compute/kernel"
	"elenchus/compute/machine"

	"golang.org/x/sys/cpu"
)

// ErrKernel marks kernels that this processor or this build lacks.
var ErrKernel = errors.New("no such kernel")

// KernelNames are all names of kernels: auto is the fastest that this processor has, generic the
// plain one. All give the same numbers.
func KernelNames() []string {
	return []string{"auto", "generic", "avx2", "avx512", "amx", "neon", "sdot"}
}

// lacks says, for a set of kernels, what of it this processor has not; "" if nothing.
func lacks(name string) string {
	x := &cpu.X86
	for _, c := range []struct {
		set, feature string
		has          bool
	}{
		{"avx2", "AVX2", x.HasAVX2},
		{"avx512", "AVX512F", x.HasAVX512F}, {"avx512", "AVX512BW", x.HasAVX512BW}, {"avx512", "AVX512DQ", x.HasAVX512DQ},
		{"avx512", "AVX512VL", x.HasAVX512VL}, {"avx512", "AVX512_VNNI", x.HasAVX512VNNI},
		{"neon", "ASIMD", cpu.ARM64.HasASIMD}, {"sdot", "ASIMDDP", cpu.ARM64.HasASIMDDP},
	} {
		if c.set == name && !c.has {
			return c.feature
		}
	}
	if name == "amx" { // which is avx512 beside
		return cmp.Or(lacks("avx512"), lacksUnits())
	}
	return ""
}

// agrees says whether a set may be used where all that it needs is there: matrix units, which few
// processors have, multiply right before they are trusted.
func agrees(s *kernel.Set) bool { return s.Name() != "amx" || s.Agrees() }

// Kernel finds a set of kernels by its name; "" is auto. It fails with ErrKernel.
func Kernel(name string) (kernel.Set, error) {
	if name != "" && !slices.Contains(KernelNames(), name) {
		return kernel.Set{}, fmt.Errorf("%w: kernel %q is none of %s", ErrKernel, name, strings.Join(KernelNames(), ", "))
	}
	for _, s := range kernel.Sets() {
		auto := name == "" || name == "auto"
		if !auto && name != s.Name() {
			continue
		}
		missing := lacks(s.Name())
		switch {
		case missing == "" && agrees(&s):
			return s, nil
		case missing == "" && !auto:
			return kernel.Set{}, fmt.Errorf("%w: kernel %s gives other numbers than the plain one on this processor: use generic or auto", ErrKernel, name)
		case !auto:
			return kernel.Set{}, fmt.Errorf("%w: this processor lacks %s, which kernel %s needs: use generic or auto", ErrKernel, missing, name)
		}
	}
	return kernel.Set{}, fmt.Errorf("%w: this build has no %s kernel for %s: use generic or auto", ErrKernel, name, runtime.GOARCH)
}

// Kernels are the sets that this processor can run, the fastest first, the plain one last.
func Kernels() []kernel.Set {
	return slices.DeleteFunc(kernel.Sets(), func(s kernel.Set) bool { return lacks(s.Name()) != "" || !agrees(&s) })
}

// Prepare returns the same model, ready for a set of kernels: beside its weights it holds them in
// the order that the kernels read, about as many bytes again. Weights that Open has mapped take no
// memory beside them. split may be nil.
func Prepare(man *manifest.Manifest, set kernel.Set, split machine.Split) *manifest.Manifest {
	out, m := *man, *man.Model
	if man.Backing != nil {
		split = releasing(split, man.Backing)
	}
	m.Stages = machine.Prepare(m.Stages, set, split, huge(PackedBytes(man)))
	out.Model = &m
	return &out
}

// packStep is how many blocks of rows are packed before what was read is given back.
const packStep = 512

// releasing gives back the memory of weights soon after they were read.
func releasing(split machine.Split, b manifest.Backing) machine.Split {
	if split == nil {
		split = machine.Serial
	}
	return func(n int, work func(lo, hi int)) {
		for at := 0; at < n; at += packStep {
			split(min(packStep, n-at), func(lo, hi int) { work(at+lo, at+hi) })
			b.Release()
		}
	}
}

// PackedBytes is about the memory that Prepare takes: that of the matrices, each once.
func PackedBytes(man *manifest.Manifest) int64 { return machine.PackedBytes(man.Model.Stages) }
