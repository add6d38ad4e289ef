package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"siprecd/cmd/siprecd/recorder"
	"siprecd/store"
)

// desk answers the commands that look at a data directory: over the control
// socket of a running daemon, or in the command's own process when none runs.
type desk struct {
	store  *store.Store
	rec    *recorder.Recorder                               // nil without a daemon
	keeper *keeper                                          // nil without a daemon
	status func() status                                    // nil without a daemon
	reload func(dryRun bool) (lines []string, err error)    // nil without a daemon
	retry  func(context.Context) ([]recorder.Waited, error) // nil without a daemon

	refusals refusals // that the ledger is told of
}

func (d *desk) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", d.serveStatus)
	mux.HandleFunc("GET /calls", d.serveCalls)
	mux.HandleFunc("GET /export/{id}", d.serveExport)
	mux.HandleFunc("POST /reload", d.serveReload)
	mux.HandleFunc("POST /render", d.serveRender)
	mux.HandleFunc("POST /reindex", d.serveReindex)
	mux.HandleFunc("POST /bundle", d.serveBundle)
	mux.HandleFunc("POST /backup", d.serveBackup)
	d.keyRoutes(mux)
	d.retentionRoutes(mux)
	mux.HandleFunc("GET /verify", d.serveVerify)
	return mux
}

func (d *desk) serveStatus(w http.ResponseWriter, _ *http.Request) {
	if d.status == nil {
		http.Error(w, "no siprecd runs on this data directory", http.StatusServiceUnavailable)
		return
	}
	answer(w, d.status())
}

func (d *desk) serveReload(w http.ResponseWriter, r *http.Request) {
	if d.reload == nil {
		http.Error(w, "no siprecd runs on this data directory: there is nothing to reload", http.StatusServiceUnavailable)
		return
	}
	lines, err := d.reload(r.FormValue("dry-run") == "true")
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	answer(w, lines)
}

func (d *desk) serveReindex(w http.ResponseWriter, r *http.Request) {
	n, err := d.store.Reindex(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, n)
}

func (d *desk) serveCalls(w http.ResponseWriter, r *http.Request) {
	q, live, err := readQuery(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rows, err := d.calls(r.Context(), q, live)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, rows)
}

// calls merges what is live, as it stands, with the catalogue.
func (d *desk) calls(ctx context.Context, q store.Query, liveOnly bool) ([]store.Row, error) {
	live := make(map[string]store.Row)
	if d.rec != nil {
		d.listen(q.ID)
		for _, row := range asOf(d.rec.Live(), time.Now()) {
			live[row.ID] = row
		}
	}
	rows := []store.Row{}
	if liveOnly {
		q.States = []store.State{store.Live}
	}
	for row, err := range d.store.Catalog.Find(ctx, q) {
		if err != nil {
			return nil, err
		}
		if now, ok := live[row.ID]; ok {
			rows = append(rows, now)
		} else if !liveOnly {
			rows = append(rows, *row)
		}
	}
	return rows, recorder.Link(ctx, d.store.Catalog, rows)
}

const (
	listenOne = 10 * time.Second       // to a call that is asked for by its id
	listenAll = 300 * time.Millisecond // to all there are: what that leaves over is heard when they ask again
)

// listen hears how live calls fare: all of them, or those whose id begins so.
func (d *desk) listen(id string) {
	if id != "" {
		d.rec.Listen(id, time.Now().Add(listenOne))
		return
	}
	d.rec.Listen("", time.Now().Add(listenAll))
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// A reader that has gone away is no concern of ours.
	_ = printJSON(w, v)
}

func readQuery(v url.Values) (q store.Query, live bool, err error) {
	q.Number, q.Extension, q.ID, q.After = v.Get("number"), v.Get("extension"), v.Get("id"), v.Get("after")
	q.Held = v.Get("held") == "true"
	for name, at := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if s := v.Get(name); s != "" {
			if *at, err = time.Parse(time.RFC3339Nano, s); err != nil {
				return q, false, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if s := v.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil {
			return q, false, fmt.Errorf("limit: %w", err)
		}
	}
	return q, v.Get("live") == "true", nil
}

// socketPath is where the daemon of a data directory answers.
func socketPath(dir string) string { return filepath.Join(dir, "control.sock") }

// longestSocket is the room for a socket's path that every system has, in bytes.
const longestSocket = 103

// listenControl binds the control socket, taking the place of one a killed
// daemon left. The data directory's lock is held, so nobody else answers there.
func listenControl(dir string) (net.Listener, error) {
	path := socketPath(dir)
	if len(path) > longestSocket {
		return nil, fmt.Errorf("%s: the name of the data directory is too long by %d bytes for the socket in it", dir, len(path)-longestSocket)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := listenPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// client speaks to the desk of a data directory.
type client struct {
	http  *http.Client
	local *store.Store // open when no daemon runs
}

// running reaches the daemon of dir; nil when none runs.
func running(dir string) (*client, error) {
	path := socketPath(dir)
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
		return &client{http: &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", path)
			},
		}}}, nil
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%s belongs to another user: ask as that user, or with sudo", dir)
	}
	return nil, nil
}

// dial reaches the daemon of dir, or opens the directory itself when none runs
// and local is allowed.
func dial(dir string, local bool) (*client, error) {
	if cl, err := running(dir); cl != nil || err != nil {
		return cl, err
	}
	if !local {
		return nil, fmt.Errorf("no siprecd runs on %s (start one: siprecd serve)", dir)
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no data directory %s: nothing has been recorded there yet", dir)
	}
	key, err := runKeyOf(dir, os.Getenv)
	if err != nil {
		return nil, err
	}
	key.Existing = true
	st, err := store.Open(store.Options{Dir: dir, RunKey: key})
	if err != nil {
		return nil, err
	}
	d := &desk{store: st}
	return &client{http: &http.Client{Transport: inProcess{d.handler()}}, local: st}, nil
}

// Close ends the client.
func (c *client) Close() error {
	c.http.CloseIdleConnections()
	if c.local != nil {
		return c.local.Close()
	}
	return nil
}

// do returns the body of an answer; the caller closes it.
func (c *client) do(method, path string, v url.Values) (io.ReadCloser, error) {
	res, err := c.answer(method, path, v)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// answer returns a whole answer that is no error; the caller closes its body.
func (c *client) answer(method, path string, v url.Values) (*http.Response, error) {
	return c.send(method, path, v, nil)
}

// send is answer with a body: secrets stand in no URL.
func (c *client) send(method, path string, v url.Values, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequest(method, "http://siprecd"+path+"?"+v.Encode(), body)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	return nil, errors.New(strings.TrimSpace(string(text)))
}

// ask sends a request and reads the answer into v; nil: it says nothing that
// matters.
func (c *client) ask(method, path string, q url.Values, body io.Reader, v any) error {
	res, err := c.send(method, path, q, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if v == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	return json.NewDecoder(res.Body).Decode(v)
}

// inProcess is a transport that calls a handler in this process.
type inProcess struct{ h http.Handler }

// RoundTrip runs the handler in a goroutine that ends with the body's reader.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	r, w := io.Pipe()
	answer := &pipeAnswer{w: w, header: make(http.Header), began: make(chan struct{})}
	go func() {
		defer func() {
			// A handler that gives up in the middle says so by this panic.
			if broken := recover(); broken != nil {
				_ = w.CloseWithError(fmt.Errorf("broken off: %v", broken))
			}
		}()
		t.h.ServeHTTP(answer, req)
		answer.WriteHeader(http.StatusOK)
		_ = w.Close()
	}()
	<-answer.began
	return &http.Response{StatusCode: answer.code, Header: answer.header, Body: r, Request: req}, nil
}

type pipeAnswer struct {
	w      *io.PipeWriter
	header http.Header
	code   int
	began  chan struct{}
}

func (a *pipeAnswer) Header() http.Header { return a.header }

func (a *pipeAnswer) WriteHeader(code int) {
	if a.code == 0 {
		a.code = code
		close(a.began)
	}
}

func (a *pipeAnswer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.w.Write(b)
}
