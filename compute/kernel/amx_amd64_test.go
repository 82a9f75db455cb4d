package kernel_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	macroLine = regexp.MustCompile(`^#define \w+ (.*) // (.*)$`)
	byteWord  = regexp.MustCompile(`(BYTE|LONG) \$(\w+)`)
)

// TestTilesAreWhatTheyAreCalled compares the bytes of each instruction of matrix units with what the
// assembler of GNU makes of the text behind it, where there is one. STYLE 8.
func TestTilesAreWhatTheyAreCalled(t *testing.T) {
	as, err := exec.LookPath("as")
	if err != nil {
		t.Skip("there is no GNU assembler to compare with")
	}
	copier, err := exec.LookPath("objcopy")
	if err != nil {
		t.Skip("there is no objcopy, which brings bytes out of an object")
	}
	header, err := os.ReadFile("amx_amd64.h")
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	text, dir := ".intel_syntax noprefix\n", t.TempDir()
	for _, line := range strings.Split(string(header), "\n") {
		m := macroLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		text += m[2] + "\n"
		for _, w := range byteWord.FindAllStringSubmatch(m[1], -1) {
			v, err := strconv.ParseUint(w[2], 0, 32)
			if err != nil {
				t.Fatal(err)
			}
			if w[1] == "LONG" {
				want = binary.LittleEndian.AppendUint32(want, uint32(v))
			} else {
				want = append(want, byte(v))
			}
		}
	}
	source, object, raw := filepath.Join(dir, "a.s"), filepath.Join(dir, "a.o"), filepath.Join(dir, "a")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(as, "--64", "-o", object, source).CombinedOutput(); err != nil {
		t.Skipf("this assembler does not know matrix units: %s", out)
	}
	if out, err := exec.Command(copier, "-O", "binary", "-j", ".text", object, raw).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(raw)
	if err != nil || len(want) < 18*5 || !bytes.Equal(got, want) {
		t.Errorf("%v: the header has\n% x, its text is\n% x", err, want, got)
	}
}
