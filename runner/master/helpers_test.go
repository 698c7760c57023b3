package master_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/afe"
	"shardclient/runner/binaries"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(binaries.WithBinaries(pgtest.WithServer(m))) }

// serve starts a master on a real socket.
func serve(t testing.TB, pool *pgxpool.Pool, protocol afe.Protocol) string {
	t.Helper()
	return serveWith(t, pool, master.Options{Protocol: protocol})
}

func serveWith(t testing.TB, pool *pgxpool.Pool, o master.Options) string {
	t.Helper()
	handler, err := master.New(pool, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + master.Path
}

// reply is what a client sees.
type reply struct {
	status      int
	contentType string
	body        []byte
	Result      map[string]any `json:"result"`
	Error       *struct {
		Name      string `json:"name"`
		Message   string `json:"message"`
		Traceback string `json:"traceback"`
	} `json:"error"`
	ID any `json:"id"`
}

// post may be called by any goroutine.
func post(ctx context.Context, url, user, body string) (*reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		request.Header.Set("Authorization", user)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	r := &reply{status: response.StatusCode, contentType: response.Header.Get("Content-Type")}
	if r.body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	if r.status == http.StatusOK {
		err = json.Unmarshal(r.body, r)
	}
	return r, err
}

func call(t testing.TB, url, body string) *reply {
	t.Helper()
	r, err := post(t.Context(), url, "chromeos-test", body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// heartbeat is the request with these arguments, as JSON.
func heartbeat(arguments string) string {
	return `{"method": "shard_heartbeat", "params": [` + arguments + `], "id": "jsonrpc"}`
}

// ids of the objects in a section of a result.
func ids(t testing.TB, r *reply, section string) []int64 {
	t.Helper()
	if r.Error != nil {
		t.Fatalf("error: %+v", r.Error)
	}
	list := []int64{}
	for _, object := range r.Result[section].([]any) {
		if number, ok := object.(float64); ok {
			list = append(list, int64(number))
			continue
		}
		list = append(list, int64(object.(map[string]any)["id"].(float64)))
	}
	return list
}
