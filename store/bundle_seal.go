package store

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// The two files of a bundle as it is handed over. It is a zip, so that whoever
// gets it can open it where they are used to and read what it is and how it is
// checked; what it is about lies sealed inside.
const (
	bundleOuterReadMe = "READ-ME.txt"
	bundleSealed      = "sealed.age"
)

// BundleTo is whom a bundle is sealed to: a passphrase, or else recipients.
type BundleTo struct {
	Passphrase string
	Recipients []string // age1…
	WorkFactor int      // of the passphrase: 2 to the power of it; 0: age's own
}

func (to BundleTo) recipients() ([]age.Recipient, error) {
	if to.Passphrase != "" && len(to.Recipients) > 0 {
		return nil, errors.New("a bundle is sealed to a passphrase or to recipients, not to both")
	}
	if to.Passphrase != "" {
		r, err := age.NewScryptRecipient(to.Passphrase)
		if err == nil && to.WorkFactor > 0 {
			r.SetWorkFactor(to.WorkFactor)
		}
		return []age.Recipient{r}, err
	}
	if len(to.Recipients) == 0 {
		return nil, errors.New("a bundle is sealed to a passphrase or to recipients: give one")
	}
	var list []age.Recipient
	for _, text := range to.Recipients {
		r, err := age.ParseRecipients(bytes.NewReader([]byte(text)))
		if err != nil {
			return nil, fmt.Errorf("%q is not an age recipient: %w", text, err)
		}
		list = append(list, r...)
	}
	return list, nil
}

// BundleSeal is a bundle file that was begun, and those it is sealed to. Seal or
// Abort ends it.
type BundleSeal struct {
	name   string
	sealed *os.File // removed at the end
	to     []age.Recipient
}

// BeginBundle begins the bundle file name, which must not be there. It does what
// can fail before the contents are asked for: once they are, the ledger holds that
// they were handed out.
func BeginBundle(name string, to BundleTo) (*BundleSeal, error) {
	b := &BundleSeal{name: name}
	var err error
	if b.to, err = to.recipients(); err != nil {
		return nil, err
	}
	// Not kept: whoever is interrupted has no empty file in the way.
	f, err := b.create()
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(name))
	}
	if err != nil {
		return nil, err
	}
	b.sealed, err = os.CreateTemp(filepath.Dir(name), ".bundle-*")
	return b, err
}

func (b *BundleSeal) create() (*os.File, error) {
	return os.OpenFile(b.name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
}

// Abort removes what was begun.
func (b *BundleSeal) Abort() error { return errors.Join(b.sealed.Close(), os.Remove(b.sealed.Name())) }

// Seal writes the file: contents are what WriteBundle writes. Nothing in clear
// touches a disk. What could not be written whole is removed.
func (b *BundleSeal) Seal(readMe []byte, contents io.Reader) error {
	return errors.Join(b.seal(readMe, contents), b.Abort())
}

func (b *BundleSeal) seal(readMe []byte, contents io.Reader) error {
	sum := crc32.NewIEEE()
	w, err := age.Encrypt(io.MultiWriter(b.sealed, sum), b.to...)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, contents); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	f, err := b.create()
	if err != nil {
		return err
	}
	err = writeOuter(f, readMe, b.sealed, sum.Sum32())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(b.name))
	}
	return nil
}

// writeOuter writes the zip around a sealed bundle. It has one spelling: no
// times, no compression, nothing after it.
func writeOuter(w io.Writer, readMe []byte, sealed io.ReadSeeker, sum uint32) error {
	size, err := sealed.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = sealed.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	out := zip.NewWriter(w)
	for _, f := range []struct {
		name string
		size uint64
		sum  uint32
		from io.Reader
	}{
		{bundleOuterReadMe, uint64(len(readMe)), crc32.ChecksumIEEE(readMe), bytes.NewReader(readMe)},
		{bundleSealed, uint64(size), sum, sealed},
	} {
		part, err := out.CreateRaw(&zip.FileHeader{Name: f.name, Method: zip.Store, CRC32: f.sum, CompressedSize64: f.size, UncompressedSize64: f.size})
		if err != nil {
			return err
		}
		if _, err := io.Copy(part, f.from); err != nil {
			return err
		}
	}
	return out.Close()
}

// comparer finds out whether what is written to it is what it was given.
type comparer struct {
	with io.Reader
	part []byte
}

var errOtherBytes = errors.New("its bytes are not those of a bundle as it was written")

func (c *comparer) Write(p []byte) (int, error) {
	c.part = append(c.part[:0], p...)
	if _, err := io.ReadFull(c.with, c.part); err != nil || !bytes.Equal(c.part, p) {
		return 0, errOtherBytes
	}
	return len(p), nil
}
