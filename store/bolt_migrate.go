package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"
)

// migrations bring a catalogue from the version of their place in the list to
// the next one. A step that was ever released is never changed.
func migrations() []func(root *bbolt.Bucket) error {
	return []func(root *bbolt.Bucket) error{addIndexes, addIndexes}
}

// upToDate makes an empty catalogue, or brings an older one up to date, in one
// transaction. It writes nothing to one that is.
func upToDate(db *bbolt.DB) error {
	var at uint64
	err := db.View(func(tx *bbolt.Tx) (err error) {
		at, err = versionOf(tx.Bucket([]byte(rootBucket)))
		return err
	})
	if err != nil || at == catalogueVersion {
		return err
	}
	if at > catalogueVersion {
		return fmt.Errorf("of version %d: made by a newer siprecd, this one knows up to %d; run the newer one, or move the file away and start again to rebuild it", at, catalogueVersion)
	}
	return db.Update(func(tx *bbolt.Tx) error {
		root, err := tx.CreateBucketIfNotExists([]byte(rootBucket))
		if err != nil {
			return err
		}
		if _, err := root.CreateBucketIfNotExists([]byte(rowBucket)); err != nil {
			return err
		}
		for i, step := range migrations()[at:] {
			if err := step(root); err != nil {
				return fmt.Errorf("from version %d: %w", at+uint64(i), err)
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

// addIndexes takes version 0, rows only, to version 1; and version 1, which did
// not have by-dies, to version 2.
func addIndexes(root *bbolt.Bucket) error {
	for _, name := range indexBuckets() {
		if _, err := root.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return root.Bucket([]byte(rowBucket)).ForEach(func(id, value []byte) error {
		row, err := decodeRow(id, value)
		if err != nil {
			return err
		}
		return putIndexes(root, row)
	})
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
