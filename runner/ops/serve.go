package ops

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Requests and their answers are short. Within these limits a client that is slow or silent cannot
// hold a connection for ever.
const (
	readTimeout    = 5 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	// closePatience is what answers under way get when the program ends.
	closePatience = time.Second
)

// Server serves /metrics, /healthz, /readyz and a status page at /, or profiles, and nothing else,
// to everyone who can reach its address.
type Server struct {
	http     *http.Server
	listener net.Listener
	done     chan struct{}
}

// Listen begins to listen at a TCP address, HOST:PORT; port 0 is any free one. Who asks already
// waits until [ServeAt]. The error is the cause alone, so that the caller can name the setting.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return listener, err
}

// ToListen says what to do about an address at which nobody can be served.
func ToListen(err error) string {
	switch {
	case errors.Is(err, syscall.EACCES):
		return "give a port from 1024 on, or let this user have it: " +
			"AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit"
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop what listens there, perhaps another shard-client, or give a port that is free"
	default:
		return "give an address of this machine, or the port alone, as in :9464"
	}
}

// ServeAt serves where somebody listens already, until Close. Without a page there is nothing at /.
func ServeAt(listener net.Listener, m *Metrics, h *Health, page http.Handler, log *slog.Logger) *Server {
	return serve(listener, paths(m, h, page, log), writeTimeout, log)
}

func serve(listener net.Listener, handler http.Handler, patience time.Duration, log *slog.Logger) *Server {
	s := &Server{
		listener: listener,
		done:     make(chan struct{}),
		http: &http.Server{
			Handler: handler, ErrorLog: httpLog(log), MaxHeaderBytes: maxHeaderBytes, ReadHeaderTimeout: readTimeout,
			ReadTimeout: readTimeout, WriteTimeout: patience, IdleTimeout: idleTimeout,
		},
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics and health are no longer served", "error", err,
				"hint", "beats go on; restart shard-client to see them again")
		}
	}()
	return s
}

func paths(m *Metrics, h *Health, page http.Handler, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler(log))
	mux.Handle("GET /healthz", h)
	mux.HandleFunc("GET /readyz", h.serveReady)
	if page != nil {
		mux.Handle("GET /{$}", page)
	}
	return mux
}

// Address returns the address at which the server listens, with the port that was found for port 0.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close ends the server. Answers under way get a second.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	if err != nil {
		return fmt.Errorf("close %s: %w", s.Address(), err)
	}
	return nil
}

// httpLog takes the messages of net/http and promhttp, at level debug: most are about clients that
// went away or did not send HTTP.
func httpLog(logger *slog.Logger) *log.Logger {
	return log.New(debugWriter{logger}, "", 0)
}

type debugWriter struct{ log *slog.Logger }

// Write implements io.Writer.
func (w debugWriter) Write(line []byte) (int, error) {
	w.log.Debug("request for metrics or health failed", "error", strings.TrimSpace(string(line)))
	return len(line), nil
}
