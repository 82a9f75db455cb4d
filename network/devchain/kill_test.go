package devchain

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

const childDir = "ELENCHUS_TEST_DEVCHAIN_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child runs a chain until it is killed and tells its address.
func child(dir string) {
	c, err := Start(context.Background(), killOptions(&testing.T{}, dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(c.HTTP())
	select {}
}

func killOptions(t *testing.T, dir string) Options {
	return funded(t, Options{DataDir: dir, Mode: OnDemand})
}

// The state behind every receipt outlives SIGKILL, the last block excepted.
func TestKilledChainKeepsItsBlocks(t *testing.T) {
	dir := t.TempDir()
	const rounds, perRound = 2, 20
	var nonce uint64
	var hashes []common.Hash
	for range rounds {
		hashes = append(hashes, runAndKill(t, dir, nonce, perRound)...)
		nonce = kept(t, dir, hashes)
		if lost := uint64(len(hashes)) - nonce; lost > 1 {
			t.Fatalf("%d of %d mined transactions are gone", lost, len(hashes))
		}
		hashes = hashes[:nonce]
	}
}

// runAndKill mines n transactions one by one in a child process, then kills it.
func runAndKill(t *testing.T, dir string, nonce uint64, n int) []common.Hash {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	client := dialURL(t, strings.TrimSpace(line))
	var hashes []common.Hash
	for i := range n {
		tx := sendWei(t, client, nonce+uint64(i), 21000, &common.Address{1}, nil, 1)
		mined(t, client, tx.Hash())
		hashes = append(hashes, tx.Hash())
	}
	return hashes
}

// kept restarts the chain, checks that as many transactions as the account's
// nonce says have receipts and effect, and returns that count.
func kept(t *testing.T, dir string, hashes []common.Hash) uint64 {
	t.Helper()
	c, client := start(t, killOptions(t, dir))
	defer c.Close()
	_, addr := testKey(t)
	n, err := client.NonceAt(context.Background(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hashes[:n] {
		mined(t, client, h)
	}
	got, err := client.BalanceAt(context.Background(), common.Address{1}, nil)
	if err != nil || got.Uint64() != n {
		t.Fatalf("%d transactions of 1 wei left a balance of %v: %v", n, got, err)
	}
	return n
}
