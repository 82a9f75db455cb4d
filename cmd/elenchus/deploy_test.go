package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestUnitStartsRolesThatExist: the command and the flags of the systemd unit are those of every role that it names.
func TestUnitStartsRolesThatExist(t *testing.T) {
	b, err := os.ReadFile("../../deploy/systemd/elenchus@.service")
	if err != nil {
		t.Fatal(err)
	}
	var start []string
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "ExecStart=/usr/local/bin/elenchus "); ok {
			start = strings.Fields(rest)
		}
	}
	if len(start) < 2 || start[0] != "%i" {
		t.Fatalf("the unit starts %q", start)
	}
	root := &cobra.Command{Use: "elenchus"}
	root.AddCommand(commands()...)
	root.PersistentFlags().String("config", "", "")
	for _, role := range []string{"node", "watch", "gateway"} {
		c, _, err := root.Find([]string{role})
		if err != nil || c == root {
			t.Fatalf("there is no command %s", role)
		}
		if err := c.ParseFlags(start[1:]); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}
