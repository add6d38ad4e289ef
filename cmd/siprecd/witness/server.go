package witness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"siprecd/store"
)

// Server answers requests to cosign over HTTP.
type Server struct {
	Witness *store.Witness
	Log     *slog.Logger
}

const (
	addPath = "/add-checkpoint"
	// sizeType is the content type of the answer to another old size
	// (tlog-witness, add-checkpoint).
	sizeType = "text/x.tlog.size"
	// goodbye is how long answers that have begun may take when the server stops.
	goodbye = 5 * time.Second
)

// Serve answers on l until ctx ends, and closes it. What was asked until then is
// answered.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s.Handler(), ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	err := srv.Shutdown(patience)
	if err != nil {
		err = errors.Join(err, srv.Close())
	}
	<-served
	return err
}

// Handler is the server without its socket.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+addPath, s.add)
	return mux
}

// add is tlog-witness, add-checkpoint.
func (s *Server) add(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, store.WitnessRequestMost))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		http.Error(w, fmt.Sprintf("a request has at most %d bytes", store.WitnessRequestMost), http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the request broke off", http.StatusBadRequest)
		return
	}
	line, err := s.Witness.Add(body)
	if other, ok := errors.AsType[*store.OtherSizeError](err); ok {
		w.Header().Set("Content-Type", sizeType)
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", other.Size)
		return
	}
	if code := codeOf(err); code != http.StatusOK {
		text := err.Error()
		if code == http.StatusInternalServerError {
			text = "the witness could not keep it; its log says why"
		}
		s.Log.Debug("not cosigned", "code", code, "reason", err)
		http.Error(w, text, code)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// Who has gone away asks again.
	_, _ = w.Write(line)
}

func codeOf(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, store.ErrWitnessRequest):
		return http.StatusBadRequest
	case errors.Is(err, store.ErrUnknownLog):
		return http.StatusNotFound
	case errors.Is(err, store.ErrNotSigned):
		return http.StatusForbidden
	case errors.Is(err, store.ErrRewritten):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}
