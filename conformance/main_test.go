package conformance_test

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"

	"elenchus/app"
)

// TestMain lets more tests run at once than there are processors, as most of them wait for blocks of
// a chain; -parallel says otherwise.
func TestMain(m *testing.M) {
	app.Child() // proofs are made in processes of their own
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.NumCPU()))
	}
	os.Exit(m.Run())
}
