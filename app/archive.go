package app

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"elenchus/service/gateway"
)

// archive keeps the newest receipts of a gateway in a file of its state directory, so that they are found
// after a restart. One goroutine writes; receipts that wait for it are lost if the process is killed.
type archive struct {
	db    *bolt.DB
	log   *slog.Logger
	now   func() time.Time
	queue chan archived
	quit  chan struct{}
	done  chan struct{}
	count int   // of what lies in the file; the writer's
	bytes int64 // of their values
}

// archived is a receipt as it lies in the file.
type archived struct {
	Owner   string    `json:"owner"` // hex, of a digest or empty
	ID      string    `json:"id"`
	Receipt string    `json:"receipt"`
	Kept    time.Time `json:"kept"`
}

// archiveQueue is the number of receipts that may wait to be written, archiveBatch that of one commit.
const (
	archiveQueue = 1 << 10
	archiveBatch = 256
	archiveLook  = 10 * time.Minute // how often what is too old is looked for while nothing is written
)

var bucketReceipts = []byte("receipts")

// openArchive opens the receipts of a state directory. Close it.
func openArchive(dir string, log *slog.Logger, now func() time.Time) (*archive, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "receipts.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("receipts %s (is another gateway using it?): %w", path, err)
	}
	a := &archive{db: db, log: log, now: now, queue: make(chan archived, archiveQueue), quit: make(chan struct{}), done: make(chan struct{})}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketReceipts)
		if err != nil {
			return err
		}
		return b.ForEach(func(_, v []byte) error {
			a.count++
			a.bytes += int64(len(v))
			return nil
		})
	})
	if err == nil {
		err = a.commit(nil)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("receipts %s: %w", path, err), db.Close())
	}
	go a.write()
	return a, nil
}

// remember has a gateway keep receipts in the role's state directory, if it has one; end writes what waits.
func (r *Role) remember(o *GatewayOptions) (end func(), err error) {
	if r.Dir == "" {
		return func() {}, nil
	}
	a, err := openArchive(r.Dir, r.Log, time.Now)
	if err != nil {
		return nil, err
	}
	o.Receipts = a
	return func() { _ = a.Close() }, nil // what could not be written was logged
}

// Each gives what is kept, the oldest first; what cannot be read is left out and logged.
func (a *archive) Each(f func(owner, id, receipt string, kept time.Time)) error {
	return a.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketReceipts).ForEach(func(k, v []byte) error {
			var r archived
			if err := json.Unmarshal(v, &r); err != nil {
				a.log.Warn("a kept receipt cannot be read", "number", binary.BigEndian.Uint64(k), "err", err)
				return nil
			}
			f(r.Owner, r.ID, r.Receipt, r.Kept)
			return nil
		})
	})
}

// Keep has a receipt written, after it returns. Where the disk cannot keep up the receipt is in memory alone.
func (a *archive) Keep(owner, id, receipt string, kept time.Time) {
	select {
	case a.queue <- archived{owner, id, receipt, kept}:
	default:
		a.log.Warn("a receipt is kept in memory alone: the disk does not keep up", "receipt", id)
	}
}

// Close writes what waits; what comes later is in memory alone.
func (a *archive) Close() error {
	close(a.quit)
	<-a.done
	return a.db.Close()
}

func (a *archive) write() {
	defer close(a.done)
	look := time.NewTicker(archiveLook)
	defer look.Stop()
	for {
		select {
		case r := <-a.queue:
			a.flush([]archived{r})
		case <-look.C:
			if err := a.commit(nil); err != nil {
				a.log.Error("receipts that are too old cannot be deleted", "err", err)
			}
		case <-a.quit:
			a.flush(nil)
			return
		}
	}
}

// flush writes receipts and those that wait.
func (a *archive) flush(list []archived) {
	for {
		select {
		case r := <-a.queue:
			list = append(list, r)
			if len(list) < archiveBatch {
				continue
			}
		default:
		}
		if len(list) == 0 {
			return
		}
		if err := a.commit(list); err != nil {
			a.log.Error("receipts are kept in memory alone", "receipts", len(list), "err", err)
		}
		list = nil
	}
}

// commit adds receipts and drops the oldest beyond what a gateway keeps, and for as long as it does.
func (a *archive) commit(list []archived) error {
	count, size := a.count, a.bytes
	err := a.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketReceipts)
		for _, r := range list {
			v, err := json.Marshal(r)
			if err != nil {
				return err
			}
			n, err := b.NextSequence()
			if err != nil {
				return err
			}
			if err := b.Put(binary.BigEndian.AppendUint64(nil, n), v); err != nil {
				return err
			}
			count++
			size += int64(len(v))
		}
		c := b.Cursor()
		for k, v := c.First(); k != nil && (a.old(k, v) || count > gateway.MaxReceipts || size > gateway.MaxReceiptBytes); k, v = c.First() {
			count--
			size -= int64(len(v))
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		a.count, a.bytes = count, size
	}
	return err
}

// old says whether a receipt was kept long enough; one that cannot be read was, and is logged.
func (a *archive) old(k, v []byte) bool {
	var r archived
	if err := json.Unmarshal(v, &r); err != nil {
		a.log.Warn("a kept receipt cannot be read and is dropped", "number", binary.BigEndian.Uint64(k), "err", err)
		return true
	}
	return a.now().Sub(r.Kept) >= gateway.KeptFor
}
