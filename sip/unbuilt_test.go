package sip

import (
	"fmt"
	"os"
	"testing"
)

// TestMain runs nothing as long as message bodies cannot be read. Delete this
// file with skeleton.go.
func TestMain(m *testing.M) {
	if !bodiesRead() {
		fmt.Println("skipped: readContent is not built")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func bodiesRead() (built bool) {
	defer func() { built = recover() != "unbuilt" }()
	readContent("application/sdp", "", "", []byte(offerSDP))
	return
}
