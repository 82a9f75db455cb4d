package engine

import (
	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// requestState is arch_prctl's ARCH_REQ_XCOMP_PERM, tileData the state of matrix units.
const (
	requestState = 0x1023
	tileData     = 18
)

// lacksUnits says what of int8 matrix units this processor or its system does not give to this program.
// Linux lets a program use them once it has asked; the answer holds for all its threads.
func lacksUnits() string {
	switch {
	case !cpu.X86.HasAMXTile:
		return "AMX-TILE"
	case !cpu.X86.HasAMXInt8:
		return "AMX-INT8"
	}
	if _, _, e := unix.RawSyscall(unix.SYS_ARCH_PRCTL, requestState, tileData, 0); e != 0 {
		return "leave of the system to use AMX (" + e.Error() + ")"
	}
	return ""
}
