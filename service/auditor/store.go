package auditor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"elenchus/commitment/claim"
	"elenchus/settlement/ledger"

	bolt "go.etcd.io/bbolt"
)

// record is an audit: everything that commit, reveal and the defence need after a restart.
type record struct {
	Audit    claim.Hash
	Place    ledger.AuditPlace
	Verdict  uint8
	Salted   claim.Hash
	Nonce    claim.Hash
	Posted   uint64 // time of the batch
	RevealBy uint64
	Opening  uint64 // round
	Open     []byte // payload, where the claim was found
	Receipt  []byte

	unserved bool // the node may be asked again
}

// store keeps audits by id.
type store struct{ db *bolt.DB }

var bucketAudits = []byte("audits")

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "auditor.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("state %s (is another auditor using it?): %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketAudits)
		return err
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
	return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketAudits).Put(r.Audit[:], b) })
}

func (s *store) get(audit claim.Hash) (r record, found bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketAudits).Get(audit[:])
		if found = b != nil; !found {
			return nil
		}
		return json.Unmarshal(b, &r)
	})
	return r, found, err
}

func (s *store) all() (out []record, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketAudits).ForEach(func(_, b []byte) error {
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
