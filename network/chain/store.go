package chain

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"go.etcd.io/bbolt"
)

// phase is how far an intent has come.
type phase string

const (
	queued   phase = "queued"   // has no nonce
	signed   phase = "signed"   // has a nonce and signed bytes; maybe sent
	mined    phase = "mined"    // in a block that may still go
	final    phase = "final"    // in a block Depth below the head
	rejected phase = "rejected" // never sent: the trial run reverted or the node refused it
)

const recordVersion = 1

// record is an intent as it lies on disk.
type record struct {
	Version  int             `json:"version"`
	Seq      uint64          `json:"seq"` // order of submission
	Key      string          `json:"key"`
	To       *common.Address `json:"to"`
	Data     hexutil.Bytes   `json:"data"`
	Value    *hexutil.Big    `json:"value"`
	GasWish  uint64          `json:"gas_wish"` // Intent.Gas
	Phase    phase           `json:"phase"`
	Nonce    uint64          `json:"nonce"`
	Gas      uint64          `json:"gas"`
	Tip      *hexutil.Big    `json:"tip"`
	Cap      *hexutil.Big    `json:"cap"`
	Raw      []hexutil.Bytes `json:"raw"`      // every attempt ever signed, newest last
	Accepted bool            `json:"accepted"` // a node took an attempt with this nonce
	Receipt  *types.Receipt  `json:"receipt"`
	Failure  string          `json:"failure"` // why reverted or rejected
	FailData hexutil.Bytes   `json:"fail_data"`
	Refused  bool            `json:"refused"` // rejected by the node, not by the trial run
}

func (r *record) intent() Intent {
	return Intent{Key: r.Key, To: r.To, Data: r.Data, Value: (*big.Int)(r.Value), Gas: r.GasWish}
}

func (r *record) fees() Fees { return Fees{Tip: (*big.Int)(r.Tip), Cap: (*big.Int)(r.Cap)} }

// cost is the most wei that the newest attempt can take.
func (r *record) cost() *big.Int {
	c := new(big.Int).SetUint64(r.Gas)
	return c.Mul(c, (*big.Int)(r.Cap)).Add(c, r.intent().value())
}

// attempts decodes the signed bytes, newest first.
func (r *record) attempts() ([]*types.Transaction, error) {
	var txs []*types.Transaction
	for i := len(r.Raw) - 1; i >= 0; i-- {
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(r.Raw[i]); err != nil {
			return nil, fmt.Errorf("attempt %d of intent %q is damaged: %w", i, r.Key, err)
		}
		txs = append(txs, tx)
	}
	return txs, nil
}

// decodeRecord reads one record and checks that its parts belong together.
func decodeRecord(data []byte) (*record, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	r := new(record)
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("outbox record is damaged: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("outbox record is damaged: text after its end")
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("outbox record has version %d, this program knows %d", r.Version, recordVersion)
	}
	if err := r.intent().check(); err != nil {
		return nil, fmt.Errorf("outbox record is damaged: %w", err)
	}
	switch r.Phase {
	case queued, rejected:
	case signed:
		if len(r.Raw) == 0 || r.Cap == nil {
			return nil, fmt.Errorf("outbox record %q is %s without signed bytes", r.Key, r.Phase)
		}
	case mined, final:
		if r.Receipt == nil || r.Receipt.BlockNumber == nil || len(r.Raw) == 0 || r.Cap == nil {
			return nil, fmt.Errorf("outbox record %q is %s without a receipt", r.Key, r.Phase)
		}
	default:
		return nil, fmt.Errorf("outbox record %q has phase %q", r.Key, r.Phase)
	}
	return r, nil
}

// store keeps records in one file that one process may hold.
type store struct {
	db *bbolt.DB

	mu   sync.Mutex
	read map[string]decoded // by key, what list has decoded before
}

// decoded is a record and the bytes that it was read from.
type decoded struct {
	data   []byte
	record record
}

// maxRead is the number of records that list remembers.
const maxRead = 1024

// Buckets: intents key -> record; active seq -> key of what still needs work;
// nonces nonce -> key of what holds that nonce; meta: whose file this is.
func buckets() []string { return []string{"intents", "active", "nonces", "meta"} }

func openStore(path, owner string) (*store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 2 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("open outbox %s: %w: is another process using it?", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		meta := tx.Bucket([]byte("meta"))
		if was := meta.Get([]byte("owner")); was != nil && string(was) != owner {
			return fmt.Errorf("%w: %s is of %s, not of %s: use another file", ErrOtherAccount, path, was, owner)
		}
		return meta.Put([]byte("owner"), []byte(owner))
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &store{db: db, read: map[string]decoded{}}, nil
}

func order(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// put writes r and its places in the indexes. A record without a sequence number gets one.
func (s *store) put(r *record) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return putIn(tx, r) })
}

func putIn(tx *bbolt.Tx, r *record) error {
	intents, active, nonces := tx.Bucket([]byte("intents")), tx.Bucket([]byte("active")), tx.Bucket([]byte("nonces"))
	if r.Seq == 0 {
		n, err := intents.NextSequence()
		if err != nil {
			return err
		}
		r.Seq = n
	}
	r.Version = recordVersion
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode intent %q: %w", r.Key, err)
	}
	// The nonce's index entry is removed only by its own holder.
	at := order(r.Nonce)
	switch r.Phase {
	case signed, mined, final:
		err = nonces.Put(at, []byte(r.Key))
	default:
		if string(nonces.Get(at)) == r.Key {
			err = nonces.Delete(at)
		}
	}
	if r.Phase == final || r.Phase == rejected {
		err = errors.Join(err, active.Delete(order(r.Seq)))
	} else {
		err = errors.Join(err, active.Put(order(r.Seq), []byte(r.Key)))
	}
	return errors.Join(err, intents.Put([]byte(r.Key), data))
}

// submit adds an intent unless its key is known; see Outbox.Submit.
func (s *store) submit(i Intent) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		fresh := &record{Key: i.Key, To: i.To, Data: i.Data, Value: (*hexutil.Big)(i.value()), GasWish: i.Gas, Phase: queued}
		data := tx.Bucket([]byte("intents")).Get([]byte(i.Key))
		if data == nil {
			return putIn(tx, fresh)
		}
		old, err := decodeRecord(data)
		if err != nil {
			return err
		}
		if old.Phase == rejected {
			fresh.Raw = old.Raw // what was signed once is looked for before anything is signed again
			return putIn(tx, fresh)
		}
		if !old.intent().same(i) {
			return fmt.Errorf("%w: %q", ErrKeyReused, i.Key)
		}
		return nil
	})
}

// get returns the record of key, or ErrUnknownKey.
func (s *store) get(key string) (r *record, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		data := tx.Bucket([]byte("intents")).Get([]byte(key))
		if data == nil {
			return fmt.Errorf("%w: %q", ErrUnknownKey, key)
		}
		r, err = decodeRecord(data)
		return err
	})
	return r, err
}

// active returns what needs work, in order of submission.
func (s *store) active() ([]*record, error) { return s.list("active", 0) }

// fromNonce returns what holds nonces from n on, in their order.
func (s *store) fromNonce(n uint64) ([]*record, error) { return s.list("nonces", n) }

func (s *store) list(index string, from uint64) (rs []*record, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket([]byte(index)).Cursor()
		for k, key := cursor.Seek(order(from)); k != nil; k, key = cursor.Next() {
			r, err := s.decode(string(key), tx.Bucket([]byte("intents")).Get(key))
			if err != nil {
				return err
			}
			rs = append(rs, r)
		}
		return nil
	})
	return rs, err
}

// decode is decodeRecord, once for the same bytes: what waits for its depth is listed at every block.
func (s *store) decode(key string, data []byte) (*record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.read[key]; ok && bytes.Equal(d.data, data) {
		r := d.record
		return &r, nil
	}
	r, err := decodeRecord(data)
	if err != nil {
		return nil, err
	}
	r.Raw = slices.Clip(r.Raw) // an attempt more is a new list
	if len(s.read) >= maxRead {
		clear(s.read)
	}
	s.read[key] = decoded{bytes.Clone(data), *r}
	return r, nil
}

// forget removes a final or rejected record.
func (s *store) forget(key string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		intents, nonces := tx.Bucket([]byte("intents")), tx.Bucket([]byte("nonces"))
		data := intents.Get([]byte(key))
		if data == nil {
			return nil
		}
		r, err := decodeRecord(data)
		if err != nil {
			return err
		}
		if r.Phase != final && r.Phase != rejected {
			return fmt.Errorf("intent %q is %s: only a final or rejected one can be forgotten", key, r.Phase)
		}
		if at := order(r.Nonce); string(nonces.Get(at)) == key {
			err = nonces.Delete(at)
		}
		return errors.Join(err, intents.Delete([]byte(key)))
	})
}
