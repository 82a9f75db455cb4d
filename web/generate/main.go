// Command generate compiles the modules for browsers into web/dist, from where binaries carry them.
//
// It is run by go generate in the folder web, before a release is built and in the gate. ADR 0040.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"elenchus/web"
)

func main() {
	for _, name := range []string{web.Support, web.Receipt, web.Proof} {
		b, err := web.Compile(context.Background(), "..", name)
		if err == nil {
			err = os.WriteFile(filepath.Join("dist", name+".gz"), b, 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(1)
		}
		fmt.Printf("%s: %d bytes compressed\n", name, len(b))
	}
}
