package ops

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"
)

// maxProfile is how long a profile of the CPU may take.
const maxProfile = 5 * time.Minute

// ServeProfiles serves the profiles of the runtime where somebody listens already, until Close, in
// the form that `go tool pprof` reads. net/http/pprof would make the binary four hundred kilobytes
// larger, and shows the command line, which may hold a password.
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
		fmt.Fprintln(w, "\ngoroutine?debug=2 is text.")
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
	mux.HandleFunc("GET /debug/pprof/profile", profileCPU)
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

// profileCPU answers with a profile of so many seconds, 30 unless the request says it.
func profileCPU(w http.ResponseWriter, r *http.Request) {
	length := 30 * time.Second
	if seconds, err := strconv.ParseFloat(r.FormValue("seconds"), 64); err == nil && seconds > 0 {
		length = time.Duration(min(seconds, maxProfile.Seconds()) * float64(time.Second))
	}
	asBytes(w, false)
	if err := pprof.StartCPUProfile(w); err != nil {
		http.Error(w, err.Error(), http.StatusConflict) // one is under way
		return
	}
	defer pprof.StopCPUProfile()
	recorded, cancel := context.WithTimeout(r.Context(), length)
	defer cancel()
	<-recorded.Done()
}
