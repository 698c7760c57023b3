package page

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	shard    = "shard1.example"
	patience = 2 * time.Minute
	hostile  = `</bdi></li></title></script><script>document.title="owned"</script><img src=x onerror="document.title='owned'">` + "\u202egnp"
)

// program returns the path of one of ours.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts a program that ends with the test, and returns its first lines of output.
func start(t *testing.T, environment []string, lines int, name string, args ...string) (cmd *exec.Cmd, said []string) {
	t.Helper()
	cmd = exec.Command(program(t, name), args...)
	cmd.Env = append(os.Environ(), environment...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s %q:\n%.4000s", name, args, stderr.String())
		}
	})
	scanner := bufio.NewScanner(out)
	for len(said) < lines && scanner.Scan() {
		said = append(said, scanner.Text())
	}
	if len(said) < lines {
		t.Fatalf("%s said only %q: %s", name, said, stderr.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return cmd, said
}

// databases starts a private PostgreSQL and returns the URLs of databases.
func databases(t *testing.T, names ...string) (urls []string) {
	t.Helper()
	args := []string{"postgres"}
	for _, name := range names {
		args = append(args, "--database", name)
	}
	_, said := start(t, nil, len(names), "shard-lab", args...)
	for i, line := range said {
		name, url, several := strings.Cut(line, "\t")
		if !several { // of one database, only the URL is said
			name, url = names[i], line
		}
		if name != names[i] {
			t.Fatalf("shard-lab postgres says %q", said)
		}
		urls = append(urls, url)
	}
	return urls
}

// lab runs shard-lab to its end.
func lab(t *testing.T, url string, args ...string) {
	t.Helper()
	cmd := exec.Command(program(t, "shard-lab"), args...)
	cmd.Env = append(os.Environ(), "SHARD_LAB_DATABASE_URL="+url)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("shard-lab %q: %v\n%s", args, err, out)
	}
}

// address is one where nobody listens.
func address(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// client starts `run` and returns the address of its page.
func client(t *testing.T, database, master string, args ...string) (cmd *exec.Cmd, at string) {
	t.Helper()
	at = address(t)
	cmd, _ = start(t, []string{"SHARD_CLIENT_DATABASE_URL=" + database}, 0, "shard-client", append([]string{
		"run", "--shard-hostname", shard, "--master", master, "--startup-splay", "0", "--listen", at,
	}, args...)...)
	at = "http://" + at + "/"
	until(t, "the page of shard-client", func() bool { return page(at) != "" })
	return cmd, at
}

// page returns a page; "" while there is none.
func page(at string) string {
	response, err := http.Get(at)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick, end := time.NewTicker(100*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("waited in vain for " + what)
		}
	}
}

// master answers as it is told to.
type master struct {
	mu     sync.Mutex
	status int
	body   string
}

func newMaster(t *testing.T) (m *master, url string) {
	t.Helper()
	m = &master{}
	m.answers()
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return m, server.URL
}

func (m *master) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	w.WriteHeader(m.status)
	_, _ = io.WriteString(w, m.body)
}

func (m *master) says(status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status, m.body = status, string(text)
}

type object = map[string]any

// answers lets the master send jobs.
func (m *master) answers(jobs ...object) {
	if jobs == nil {
		jobs = []object{}
	}
	none := []object{}
	m.says(200, object{"error": nil, "id": "jsonrpc", "result": object{
		"hosts": none, "jobs": jobs, "suite_keyvals": none, "incorrect_host_ids": none,
	}})
}

func (m *master) refuses(text string) {
	m.says(200, object{"result": nil, "id": "jsonrpc", "error": object{"name": "Oops", "message": text, "traceback": text}})
}

// badJob cannot be stored, and says why in the words of whoever made it.
func badJob(id int) object {
	return object{"id": id, "owner": hostile, "name": "n", "created_on": hostile, "shard": object{"id": 1, "hostname": shard},
		"hostqueueentry_set": []object{{"id": 10 * id, "status": "Queued"}}, "priority": fmt.Sprint(hostile)}
}
