package ops

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"
)

// maxProfile is how long a profile of the CPU or a trace may take.
const maxProfile = 5 * time.Minute

// ServeProfiles serves the profiles of the runtime where somebody listens already, until Close, in
// the form that `go tool pprof` and `go tool trace` read. net/http/pprof would make the binary four
// hundred kilobytes larger, and shows the command line, which may hold a password.
func ServeProfiles(listener net.Listener, log *slog.Logger) *Server {
	return serve(listener, profiles(), maxProfile+writeTimeout, log)
}

func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "go tool pprof http://ADDRESS/debug/pprof/NAME, where NAME is one of:")
		fmt.Fprintln(w, "profile?seconds=30")
		for _, p := range pprof.Profiles() {
			fmt.Fprintln(w, p.Name())
		}
		fmt.Fprintln(w, "\ngoroutine?debug=2 is text. trace?seconds=5 is for go tool trace.")
	})
	mux.HandleFunc("GET /debug/pprof/{name}", func(w http.ResponseWriter, r *http.Request) {
		debug, _ := strconv.Atoi(r.FormValue("debug"))
		profile := pprof.Lookup(r.PathValue("name"))
		if profile == nil {
			http.Error(w, "there is no such profile: /debug/pprof/ lists them", http.StatusNotFound)
			return
		}
		asBytes(w, debug > 0)
		_ = profile.WriteTo(w, debug) // whoever asked is gone
	})
	mux.HandleFunc("GET /debug/pprof/profile", during(pprof.StartCPUProfile, pprof.StopCPUProfile))
	mux.HandleFunc("GET /debug/pprof/trace", during(trace.Start, trace.Stop))
	return mux
}

func asBytes(w http.ResponseWriter, text bool) {
	kind := "application/octet-stream"
	if text {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

// during answers with what is recorded for so many seconds, 30 unless the request says it.
func during(start func(io.Writer) error, stop func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		length := 30 * time.Second
		if seconds, err := strconv.ParseFloat(strings.TrimSpace(r.FormValue("seconds")), 64); err == nil && seconds > 0 {
			length = min(time.Duration(min(seconds, maxProfile.Seconds())*float64(time.Second)), maxProfile)
		}
		asBytes(w, false)
		if err := start(w); err != nil {
			asBytes(w, true)
			http.Error(w, err.Error(), http.StatusConflict) // one is under way
			return
		}
		defer stop()
		recorded, cancel := context.WithTimeout(r.Context(), length)
		defer cancel()
		<-recorded.Done()
	}
}
