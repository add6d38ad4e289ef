package store_test

import (
	"path/filepath"
	"testing"

	"siprecd/store"
	"siprecd/store/storetest"
)

func TestVault(t *testing.T) {
	storetest.TestBlobs(t, func(t *testing.T) store.Blobs {
		return store.NewVault(t.TempDir(), store.System{})
	})
}

func TestBolt(t *testing.T) {
	storetest.TestCatalog(t, func(t *testing.T) store.Catalog {
		c, err := store.OpenBolt(filepath.Join(t.TempDir(), "catalogue.db"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
}
