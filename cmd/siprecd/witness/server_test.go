package witness

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"siprecd/store"
)

// TestServerSpeaksTheProtocol asks a server on a real socket, by hand.
func TestServerSpeaksTheProtocol(t *testing.T) {
	dir := t.TempDir()
	ledger, err := store.OpenLedger(filepath.Join(dir, "data", "ledger"), store.System{}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	grow := func() store.Checkpoint {
		if _, err := ledger.Append(store.Entry{Kind: store.EventHeard}); err != nil {
			t.Fatal(err)
		}
		c, err := ledger.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := grow()
	w, err := store.OpenWitness(filepath.Join(dir, "witness"), store.System{}, []string{ledger.VerifierKey()}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- (&Server{w, slog.New(slog.DiscardHandler)}).Serve(ctx, l) }()
	at := "http://" + l.Addr().String() + addPath

	request := func(old string, proof string, c store.Checkpoint) string {
		return "old " + old + "\n" + proof + "\n" + string(c.Note)
	}
	wrong := "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
	second := grow()
	for _, c := range []struct {
		name, body string
		code       int
		kind, want string
	}{
		{"malformed", "old\n\n", 400, "text/plain; charset=utf-8", "not a request"},
		{"too long", strings.Repeat("x", store.WitnessRequestMost+1), 413, "text/plain; charset=utf-8", "at most 65536 bytes"},
		{"another old size", request("1", "", first), 409, sizeType, "0\n"},
		{"the first", request("0", "", first), 200, "text/plain; charset=utf-8", "— siprecd-"},
		{"a wrong proof", request("1", wrong, second), 422, "text/plain; charset=utf-8", "does not begin with"},
		{"unsigned", request("1", "", store.Checkpoint{Note: bytes.Replace(second.Note, []byte("\n2\n"), []byte("\n3\n"), 1)}), 403, "text/plain; charset=utf-8", "not signed"},
		{"unknown", request("0", "", store.Checkpoint{Note: append([]byte("x"), second.Note...)}), 404, "text/plain; charset=utf-8", "does not know the log"},
		{"an old size that is past", request("0", "", second), 409, sizeType, "1\n"},
	} {
		res, err := http.Post(at, "text/plain", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.code || res.Header.Get("Content-Type") != c.kind || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %d %s %q, %v; want %d %s %q", c.name, res.StatusCode, res.Header.Get("Content-Type"), body, err, c.code, c.kind, c.want)
		}
	}
	res, err := http.Get(at)
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a GET: %v, %v", res, err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-served; err != nil {
		t.Errorf("stopped: %v", err)
	}
}
