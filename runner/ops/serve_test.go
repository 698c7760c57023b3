package ops

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func served(t *testing.T) *Server {
	t.Helper()
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := ServeAt(listener, someMetrics(), newHealth(time.Hour), nil, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// There are two pages to read, and nothing to write.
func TestPaths(t *testing.T) {
	s := served(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for request, want := range map[string]int{
		"GET /metrics": 200, "HEAD /metrics": 200, "POST /metrics": 405, "GET /metrics/": 404,
		"GET /healthz": 200, "HEAD /healthz": 200, "PUT /healthz": 405,
		"GET /": 404, "GET /debug/pprof/": 404, "GET /readyz": 503, "POST /readyz": 405,
	} {
		method, path, _ := strings.Cut(request, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Address()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", request, response.StatusCode, want)
		}
	}
}

func TestAddressThatIsTaken(t *testing.T) {
	address := served(t).Address()
	_, err := Listen(t.Context(), address)
	if !errors.Is(err, syscall.EADDRINUSE) || strings.Contains(err.Error(), address) {
		t.Errorf("error %v, want the cause alone", err)
	}
}

func TestNobodyListensAfterClose(t *testing.T) {
	s := served(t)
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if c, err := net.Dial("tcp", s.Address()); err == nil {
		_ = c.Close()
		t.Error("the address still answers")
	}
}

// pipes is a listener whose connections live in memory, where time can be fake.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.connections <- server
	return client
}

func servedByPipes(log *slog.Logger) (*Server, *pipes) {
	p := &pipes{connections: make(chan net.Conn), closed: make(chan struct{})}
	return ServeAt(p, someMetrics(), newHealth(time.Hour), nil, log), p
}

// The server does not wait for a client that sends no whole request, or does not read the answer.
func TestSlowClientsAreLetGo(t *testing.T) {
	request := "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tt := range map[string]struct {
		writes string
		reads  bool
		within time.Duration
	}{
		"says nothing":            {"", true, readTimeout},
		"half a request":          {request[:20], true, readTimeout},
		"no body":                 {"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", true, 2 * readTimeout},
		"reads nothing":           {request, false, writeTimeout},
		"silent after its answer": {request, true, idleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := servedByPipes(slog.New(slog.DiscardHandler))
				c := p.dial()
				began := time.Now()
				if _, err := io.WriteString(c, tt.writes); err != nil {
					t.Fatal(err)
				}
				if !tt.reads {
					<-time.After(tt.within)
					synctest.Wait()
				}
				_, err := io.Copy(io.Discard, c)
				if took := time.Since(began); err != nil || took > tt.within+time.Second {
					t.Errorf("let go after %v, want %v; error %v", took, tt.within, err)
				}
				_ = c.Close()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Scrapers that do not read their answers hold no more than a few of them in memory.
func TestScrapesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := servedByPipes(slog.New(slog.DiscardHandler))
		var statuses []string
		for range scrapesInFlight + 1 {
			c := p.dial()
			defer func() { _ = c.Close() }()
			if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			status, err := bufio.NewReaderSize(c, 16).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			statuses = append(statuses, strings.Fields(status)[1])
		}
		if want := append(slices.Repeat([]string{"200"}, scrapesInFlight), "503"); !slices.Equal(statuses, want) {
			t.Errorf("statuses %q, want %q", statuses, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A scraper does not hold up the end of the program.
func TestCloseDoesNotWaitForClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := servedByPipes(slog.New(slog.DiscardHandler))
		c := p.dial()
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > closePatience {
			t.Errorf("it took %v", took)
		}
		_ = c.Close()
	})
}

// broken is a listener that fails.
type broken struct{ pipes }

func (b *broken) Accept() (net.Conn, error) { return nil, errors.New("no more sockets") }

// Beats go on without metrics and health, and the log says so.
func TestAListenerThatFailsIsTold(t *testing.T) {
	var log strings.Builder
	s := ServeAt(&broken{pipes{closed: make(chan struct{})}}, someMetrics(), newHealth(time.Hour), nil, slog.New(slog.NewTextHandler(&log, nil)))
	<-s.done
	if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "no more sockets") {
		t.Errorf("the log says %q", got)
	}
}

// Requests of strangers do not fill the log.
func TestNoiseOfStrangersIsForDebug(t *testing.T) {
	var log strings.Builder
	for level, lines := range map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 1} {
		log.Reset()
		logger := httpLog(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})))
		logger.Print(fmt.Errorf("read: %w", context.Canceled))
		if n := strings.Count(log.String(), "\n"); n != lines {
			t.Errorf("%d lines at %v, want %d: %s", n, level, lines, log.String())
		}
	}
}
