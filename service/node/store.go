package node

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"elenchus/commitment/claim"

	bolt "go.etcd.io/bbolt"
)

// store keeps claims and batches in bbolt.
//
//	claims   claim id -> receipt bytes
//	order    sequence -> claim id
//	pending  sequence -> claim id, not yet in a batch
//	batches  root -> until u64, claim ids
//	plants   claim id -> JSON
//	weeded   claim id of a plant that is forgotten -> nothing
type store struct{ db *bolt.DB }

var (
	bucketClaims  = []byte("claims")
	bucketOrder   = []byte("order")
	bucketPending = []byte("pending")
	bucketBatches = []byte("batches")
	bucketPlants  = []byte("plants")
	bucketWeeded  = []byte("weeded")
)

var errNotFound = errors.New("not found")

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "node.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("state %s (is another node using it?): %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{bucketClaims, bucketOrder, bucketPending, bucketBatches, bucketPlants, bucketWeeded} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

// put records a new claim as pending; one that is there already stays as it is.
func (s *store) put(id claim.Hash, receipt []byte) (fresh bool, err error) {
	err = s.db.Update(func(tx *bolt.Tx) error {
		claims := tx.Bucket(bucketClaims)
		if fresh = claims.Get(id[:]) == nil; !fresh {
			return nil
		}
		order := tx.Bucket(bucketOrder)
		seq, err := order.NextSequence()
		if err != nil {
			return err
		}
		key := binary.BigEndian.AppendUint64(nil, seq)
		return errors.Join(claims.Put(id[:], receipt), order.Put(key, id[:]), tx.Bucket(bucketPending).Put(key, id[:]))
	})
	return fresh, err
}

// latest lists up to limit claim ids, the newest first.
func (s *store) latest(limit int) (ids []claim.Hash, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketOrder).Cursor()
		for k, id := c.Last(); k != nil && len(ids) < limit; k, id = c.Prev() {
			ids = append(ids, claim.Hash(id))
		}
		return nil
	})
	return ids, err
}

func (s *store) putPlant(p plant) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketPlants).Put(p.Claim[:], b) })
}

// dropPlants forgets plants, all or none; of each its mark stays: the claim is still there, and false.
func (s *store) dropPlants(ids []claim.Hash) error {
	return s.db.Update(func(tx *bolt.Tx) (err error) {
		for _, id := range ids {
			err = errors.Join(err, tx.Bucket(bucketPlants).Delete(id[:]), tx.Bucket(bucketWeeded).Put(id[:], []byte{}))
		}
		return err
	})
}

// weeded says whether a claim was a plant that is forgotten.
func (s *store) weeded(id claim.Hash) (yes bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		yes = tx.Bucket(bucketWeeded).Get(id[:]) != nil
		return nil
	})
	return yes, err
}

func (s *store) plants() (out []plant, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketPlants).ForEach(func(_, b []byte) error {
			var p plant
			if err := json.Unmarshal(b, &p); err != nil {
				return err
			}
			out = append(out, p)
			return nil
		})
	})
	return out, err
}

func (s *store) get(id claim.Hash) (receipt []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketClaims).Get(id[:])
		if v == nil {
			return fmt.Errorf("claim %x: %w", id, errNotFound)
		}
		receipt = append([]byte(nil), v...)
		return nil
	})
	return receipt, err
}

// after lists up to limit claims that follow sequence number seq, and the last sequence listed.
func (s *store) after(seq uint64, limit int) (receipts [][]byte, last uint64, err error) {
	last = seq
	if seq == math.MaxUint64 {
		return nil, last, nil
	}
	err = s.db.View(func(tx *bolt.Tx) error {
		claims, c := tx.Bucket(bucketClaims), tx.Bucket(bucketOrder).Cursor()
		for k, id := c.Seek(binary.BigEndian.AppendUint64(nil, seq+1)); k != nil && len(receipts) < limit; k, id = c.Next() {
			receipts = append(receipts, append([]byte(nil), claims.Get(id)...))
			last = binary.BigEndian.Uint64(k)
		}
		return nil
	})
	return receipts, last, err
}

// pending lists up to limit claim ids that are in no batch.
func (s *store) pending(limit int) (ids []claim.Hash, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketPending).Cursor()
		for k, id := c.First(); k != nil && len(ids) < limit; k, id = c.Next() {
			ids = append(ids, claim.Hash(id))
		}
		return nil
	})
	return ids, err
}

// batch records that the first len(ids) pending claims are the batch of a root.
func (s *store) batch(root claim.Hash, until uint64, ids []claim.Hash) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		v := binary.BigEndian.AppendUint64(nil, until)
		pending := tx.Bucket(bucketPending)
		c := pending.Cursor()
		k, id := c.First()
		for _, want := range ids {
			if k == nil || claim.Hash(id) != want {
				return fmt.Errorf("claim %x is not the next pending one", want)
			}
			v = append(v, want[:]...)
			if err := c.Delete(); err != nil {
				return err
			}
			k, id = c.First()
		}
		return tx.Bucket(bucketBatches).Put(root[:], v)
	})
}

// batchOf lists the claims of a batch, and the end of its window.
func (s *store) batchOf(root claim.Hash) (ids []claim.Hash, until uint64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketBatches).Get(root[:])
		if v == nil {
			return fmt.Errorf("batch %x: %w", root, errNotFound)
		}
		ids, until = splitBatch(v)
		return nil
	})
	return ids, until, err
}

func splitBatch(v []byte) (ids []claim.Hash, until uint64) {
	until = binary.BigEndian.Uint64(v)
	for v = v[8:]; len(v) >= 32; v = v[32:] {
		ids = append(ids, claim.Hash(v[:32]))
	}
	return ids, until
}

// batches calls visit for every batch.
func (s *store) batches(visit func(root claim.Hash, until uint64, ids []claim.Hash) error) error {
	type row struct {
		root  claim.Hash
		until uint64
		ids   []claim.Hash
	}
	var rows []row
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketBatches).ForEach(func(k, v []byte) error {
			ids, until := splitBatch(v)
			rows = append(rows, row{claim.Hash(k), until, ids})
			return nil
		})
	})
	for _, r := range rows {
		err = errors.Join(err, visit(r.root, r.until, r.ids))
	}
	return err
}
