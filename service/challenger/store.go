package challenger

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"elenchus/commitment/claim"

	bolt "go.etcd.io/bbolt"
)

// record is a challenge: everything that commit, open and the moves need after a restart.
type record struct {
	Game    claim.Hash
	Claim   claim.Hash
	Open    []byte // payload
	Receipt []byte
	Data    bool `json:",omitempty"` // a demand for data: the claim may still be challenged
}

// store keeps challenges by game, and the claims that have one.
type store struct{ db *bolt.DB }

var (
	bucketGames  = []byte("games")
	bucketClaims = []byte("claims")
	bucketKept   = []byte("receipts") // that came without a batch, by digest
)

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "challenger.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("state %s (is another challenger using it?): %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, e1 := tx.CreateBucketIfNotExists(bucketGames)
		_, e2 := tx.CreateBucketIfNotExists(bucketClaims)
		_, e3 := tx.CreateBucketIfNotExists(bucketKept)
		return errors.Join(e1, e2, e3)
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

func (s *store) put(r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bolt.Tx) error {
		if r.Data {
			return tx.Bucket(bucketGames).Put(r.Game[:], b)
		}
		return errors.Join(tx.Bucket(bucketGames).Put(r.Game[:], b), tx.Bucket(bucketClaims).Put(r.Claim[:], r.Game[:]))
	})
}

func (s *store) has(id claim.Hash) (found bool) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		found = tx.Bucket(bucketClaims).Get(id[:]) != nil
		return nil
	})
	return found
}

func (s *store) get(game claim.Hash) (r record, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketGames).Get(game[:])
		if b == nil {
			return fmt.Errorf("game %x is not one of ours", game)
		}
		return json.Unmarshal(b, &r)
	})
	return r, err
}

func (s *store) all() (out []record, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketGames).ForEach(func(_, b []byte) error {
			var r record
			if err := json.Unmarshal(b, &r); err != nil {
				return err
			}
			out = append(out, r)
			return nil
		})
	})
	return out, err
}

// keep stores a receipt by the digest of its claim.
func (s *store) keep(digest claim.Hash, receipt []byte) error {
	return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketKept).Put(digest[:], receipt) })
}

// drop forgets a receipt that was kept; one that stays is read again and dropped later.
func (s *store) drop(digest claim.Hash) {
	_ = s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketKept).Delete(digest[:]) })
}

// kept are the receipts that were kept.
func (s *store) kept() (out [][]byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketKept).ForEach(func(_, b []byte) error {
			out = append(out, append([]byte(nil), b...))
			return nil
		})
	})
	return out, err
}
