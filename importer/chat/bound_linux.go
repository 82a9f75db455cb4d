package chat

import "golang.org/x/sys/unix"

// bound limits the memory that this process may have.
func bound() error {
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: childMemory, Max: childMemory})
}
