package app

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/uuid"
	"golang.org/x/term"
)

// maxKeyFile bounds what is read of a key file; a keystore of version 3 has about 500 bytes.
const maxKeyFile = 16 << 10

// leastPassphrase is the least length of a passphrase that KeyFile.Write takes, in bytes.
const leastPassphrase = 8

// ErrLocked: a key file is encrypted and nobody said with what.
var ErrLocked = errors.New("a passphrase is needed")

// KeyFile is where the key of an account lies: 64 hex digits, or a keystore of version 3 (Web3 Secret
// Storage, as other wallets write it), encrypted. Keys and passphrases are never arguments, which every
// user of a machine can read.
type KeyFile struct {
	Path       string
	Passphrase string                 // file whose first line is the passphrase of an encrypted key; "": Ask
	Ask        func() ([]byte, error) // nil: nobody to ask
}

// Read opens the key. Errors match ErrLocked where a passphrase is missing.
func (f KeyFile) Read() (*ecdsa.PrivateKey, error) {
	b, err := readKeyFile(f.Path)
	if err != nil {
		return nil, err
	}
	if !encrypted(b) {
		return plainKey(f.Path, b)
	}
	if err := checkKeystore(b); err != nil {
		return nil, fmt.Errorf("%s is no keystore of version 3: %w", f.Path, err)
	}
	secret, err := f.passphrase()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	k, err := keystore.DecryptKey(b, string(secret))
	clear(secret)
	if errors.Is(err, keystore.ErrDecrypt) {
		return nil, fmt.Errorf("%s: the passphrase is wrong, or the file was changed", f.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no keystore of version 3: %w", f.Path, err)
	}
	return k.PrivateKey, nil
}

// Address is the account of the key. An encrypted file says it without its passphrase, but only as its
// writer's word.
func (f KeyFile) Address() (common.Address, error) {
	b, err := readKeyFile(f.Path)
	if err != nil {
		return common.Address{}, err
	}
	if !encrypted(b) {
		k, err := plainKey(f.Path, b)
		if err != nil {
			return common.Address{}, err
		}
		return crypto.PubkeyToAddress(k.PublicKey), nil
	}
	var said struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal(b, &said); err != nil || !common.IsHexAddress(said.Address) {
		return common.Address{}, fmt.Errorf("%s is no keystore of version 3: it does not name its address", f.Path)
	}
	return common.HexToAddress(said.Address), nil
}

// Write encrypts a key into a new file, which only its owner can read; an existing file is never
// written over. The passphrase has at least 8 bytes. Scrypt with N 2^18 takes 256 MiB and about a second.
func (f KeyFile) Write(k *ecdsa.PrivateKey) error {
	secret, err := f.passphrase()
	if err != nil {
		return err
	}
	defer clear(secret)
	if len(secret) < leastPassphrase {
		return fmt.Errorf("a passphrase of %d bytes: use at least %d", len(secret), leastPassphrase)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	key := &keystore.Key{Id: id, Address: crypto.PubkeyToAddress(k.PublicKey), PrivateKey: k}
	b, err := keystore.EncryptKey(key, string(secret), keystore.StandardScryptN, keystore.StandardScryptP)
	if err != nil {
		return err
	}
	return writeNewKeyFile(f.Path, append(b, '\n'))
}

// passphrase is that of the file, or what somebody at the terminal says.
func (f KeyFile) passphrase() ([]byte, error) {
	if f.Passphrase != "" {
		b, err := readKeyFile(f.Passphrase)
		if err != nil {
			return nil, fmt.Errorf("read the passphrase: %w", err)
		}
		line, _, _ := bytes.Cut(b, []byte("\n"))
		return bytes.TrimSuffix(line, []byte("\r")), nil
	}
	if f.Ask == nil {
		return nil, fmt.Errorf("%w, and nobody can be asked: name the file of its passphrase with --passphrase-file", ErrLocked)
	}
	return f.Ask()
}

// AskPassphrase asks at the terminal without showing what is typed, twice for a new passphrase; it is
// nil where nobody sits there.
func AskPassphrase(again bool) func() ([]byte, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return nil
	}
	ask := func(prompt string) ([]byte, error) {
		fmt.Fprint(os.Stderr, prompt)
		b, err := term.ReadPassword(in)
		fmt.Fprintln(os.Stderr)
		return b, err
	}
	return func() ([]byte, error) {
		first, err := ask("passphrase: ")
		if err != nil || !again {
			return first, err
		}
		second, err := ask("the same again: ")
		if err == nil && !bytes.Equal(first, second) {
			err = errors.New("the two passphrases differ: nothing was written")
		}
		clear(second)
		return first, err
	}
}

// ReadKey reads a secp256k1 key from a file of 64 hex digits.
func ReadKey(path string) (*ecdsa.PrivateKey, error) { return KeyFile{Path: path}.Read() }

// NewKey makes a key and writes it to a file that only the owner reads; an existing file is used.
func NewKey(path string) (*ecdsa.PrivateKey, error) {
	if _, err := os.Stat(path); err == nil {
		return ReadKey(path)
	}
	k, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	return k, writeNewKeyFile(path, []byte(hex.EncodeToString(crypto.FromECDSA(k))+"\n"))
}

// writeNewKeyFile keeps a key, whole or not at all.
func writeNewKeyFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: keys are never written over, name another file", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// readKeyFile reads a key or a passphrase.
func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%s has more than %d bytes, which no key file has", path, maxKeyFile)
	}
	return b, nil
}

// most of what a keystore may demand of its reader: 1 GiB for scrypt, ten million rounds of PBKDF2.
const (
	maxScrypt = 1 << 30 / 128 // N * r
	maxRounds = 10_000_000
)

// checkKeystore refuses what go-ethereum's reader would fail on without a word, and what would take more
// memory or time than a key is worth.
func checkKeystore(b []byte) error {
	var file struct {
		Version int `json:"version"`
		Crypto  struct {
			KDF    string `json:"kdf"`
			Params struct {
				Size   int    `json:"dklen"`
				N      int    `json:"n"`
				R      int    `json:"r"`
				P      int    `json:"p"`
				Rounds int    `json:"c"`
				PRF    string `json:"prf"`
				Salt   string `json:"salt"`
			} `json:"kdfparams"`
		} `json:"crypto"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return err
	}
	if file.Version != 3 {
		return fmt.Errorf("version %d", file.Version)
	}
	p := file.Crypto.Params
	if p.Size != 32 {
		return fmt.Errorf("derived key of %d bytes, want 32", p.Size)
	}
	switch file.Crypto.KDF {
	case "scrypt":
		if p.N < 2 || p.N > maxScrypt || p.R < 1 || p.R > maxScrypt/p.N || p.P < 1 || p.P > 64 {
			return fmt.Errorf("scrypt with n %d, r %d, p %d: at most 1 GiB and p 64", p.N, p.R, p.P)
		}
	case "pbkdf2":
		if p.Rounds < 1 || p.Rounds > maxRounds || p.PRF == "" {
			return fmt.Errorf("pbkdf2 with %d rounds of %q: 1 to %d of hmac-sha256", p.Rounds, p.PRF, maxRounds)
		}
	default:
		return fmt.Errorf("kdf %q is neither scrypt nor pbkdf2", file.Crypto.KDF)
	}
	if p.Salt == "" {
		return errors.New("it has no salt")
	}
	return nil
}

// encrypted says whether a key file is a keystore.
func encrypted(b []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) }

func plainKey(path string, b []byte) (*ecdsa.PrivateKey, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("key file %s holds neither 64 hex digits nor a keystore", path)
	}
	k, err := crypto.ToECDSA(raw)
	if err != nil {
		return nil, fmt.Errorf("key file %s does not hold a secp256k1 key", path)
	}
	return k, nil
}

// openToOthers says whether others than its owner can read a file; never on Windows, whose rights are
// other ones.
func openToOthers(path string) (os.FileMode, bool) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" {
		return 0, false
	}
	return info.Mode().Perm(), info.Mode().Perm()&0o077 != 0
}
