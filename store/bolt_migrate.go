package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// upToDate gives an empty file its buckets, and an older catalogue's rows a new
// file: the versions differ in their indexes only, and a transaction that made
// those of millions of rows would not fit into memory. It writes nothing to one
// that is up to date. On an error db is closed.
func upToDate(db *bbolt.DB, path string, unsynced bool) (_ *bbolt.DB, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	var at uint64
	rows := false
	err = guard(func() error {
		return db.View(func(tx *bbolt.Tx) (err error) {
			root := tx.Bucket([]byte(rootBucket))
			rows = root != nil && root.Bucket([]byte(rowBucket)) != nil
			at, err = versionOf(root)
			return err
		})
	})
	if err != nil || at == catalogueVersion {
		return db, err
	}
	if at > catalogueVersion {
		return db, fmt.Errorf("of version %d: made by a newer siprecd, this one knows up to %d; run the newer one, or move the file away and start again to rebuild it", at, catalogueVersion)
	}
	if !rows {
		return db, guard(func() error { return makeBuckets(db) })
	}
	fresh, err := makeFresh(path + newSuffix)
	if err != nil {
		return db, err
	}
	err = fill(context.Background(), fresh, rowsOf(db))
	if err == nil {
		err = fresh.Sync()
	}
	if err = errors.Join(err, fresh.Close()); err != nil {
		return db, errors.Join(fmt.Errorf("from version %d: %w", at, err), os.Remove(path+newSuffix))
	}
	if err := db.Close(); err != nil {
		return db, err
	}
	if err := takePlace(path); err != nil {
		return db, err
	}
	return openDB(path, unsynced)
}

// newSuffix names the file that will take a catalogue's place.
const newSuffix = ".new"

// makeFresh makes an empty catalogue at path, which is not synced before its
// end.
func makeFresh(path string) (*bbolt.DB, error) {
	if err := (System{}).orReal().removeIfThere(path); err != nil {
		return nil, err
	}
	fresh, err := openDB(path, true)
	if err != nil {
		return nil, err
	}
	if err := makeBuckets(fresh); err != nil {
		return nil, errors.Join(err, fresh.Close())
	}
	return fresh, nil
}

// takePlace puts the new file in place. Both are closed, for systems that do
// not rename open files.
func takePlace(path string) error {
	if err := os.Rename(path+newSuffix, path); err != nil {
		return err
	}
	return System{}.orReal().syncDir(filepath.Dir(path))
}

func makeBuckets(db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error {
		root, err := tx.CreateBucketIfNotExists([]byte(rootBucket))
		if err != nil {
			return err
		}
		for _, name := range append(indexBuckets(), rowBucket) {
			if _, err := root.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return root.Put([]byte(versionKey), binary.AppendUvarint(nil, catalogueVersion))
	})
}

// versionOf is 0 for a catalogue that has none.
func versionOf(root *bbolt.Bucket) (uint64, error) {
	if root == nil || root.Get([]byte(versionKey)) == nil {
		return 0, nil
	}
	at, n := binary.Uvarint(root.Get([]byte(versionKey)))
	if n <= 0 {
		return 0, fmt.Errorf("version: %w", ErrDamaged)
	}
	return at, nil
}

// rowsOf yields the rows of a catalogue of any version that nobody writes to.
func rowsOf(db *bbolt.DB) func(yield func(*Row, error) bool) {
	return func(yield func(*Row, error) bool) {
		stopped := errors.New("enough")
		err := guard(func() error {
			return db.View(func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte(rootBucket)).Bucket([]byte(rowBucket)).ForEach(func(id, value []byte) error {
					row, err := decodeRow(id, value)
					if err == nil && !yield(row, nil) {
						return stopped
					}
					return err
				})
			})
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(nil, err)
		}
	}
}

// decodeRow copies a row out of a transaction.
func decodeRow(id, value []byte) (*Row, error) {
	row := new(Row)
	if err := json.Unmarshal(value, row); err != nil {
		return nil, fmt.Errorf("row %s: %w: %w", id, ErrDamaged, err)
	}
	if row.ID != string(id) {
		return nil, fmt.Errorf("row %s: is of %q: %w", id, row.ID, ErrDamaged)
	}
	return row, nil
}
