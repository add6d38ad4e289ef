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
	return []func(root *bbolt.Bucket) error{addIndexes}
}

// migrate makes an empty catalogue, or brings an older one up to date.
func migrate(tx *bbolt.Tx) error {
	root, err := tx.CreateBucketIfNotExists([]byte(rootBucket))
	if err != nil {
		return err
	}
	if _, err := root.CreateBucketIfNotExists([]byte(rowBucket)); err != nil {
		return err
	}
	var at uint64 // a catalogue without a version is of version 0
	if v := root.Get([]byte(versionKey)); v != nil {
		var n int
		if at, n = binary.Uvarint(v); n <= 0 {
			return fmt.Errorf("version: %w", ErrDamaged)
		}
	}
	if at > catalogueVersion {
		return fmt.Errorf("of version %d: made by a newer siprecd, this one knows up to %d; run the newer one, or move the file away and start again to rebuild it", at, catalogueVersion)
	}
	for _, step := range migrations()[at:] {
		if err := step(root); err != nil {
			return fmt.Errorf("from version %d: %w", at, err)
		}
		at++
	}
	return root.Put([]byte(versionKey), binary.AppendUvarint(nil, at))
}

// addIndexes takes version 0, rows only, to version 1.
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
