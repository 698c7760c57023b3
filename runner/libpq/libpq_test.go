package libpq_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/libpq"
)

// What libpq knows and the driver does not is refused with its name and what to do, wherever it
// stands, and whatever its value.
func TestParametersOfLibpq(t *testing.T) {
	service := filepath.Join(t.TempDir(), "service.conf")
	if err := os.WriteFile(service, []byte("[x]\nhost=h\nrequirepeer=CANARY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		variables map[string]string
		url       string
		want      string // "": it is no such parameter
	}{
		{nil, "postgres://h/d?keepalives=1", "libpq's keepalives cannot be heeded here: keepalives: leave it out"},
		{nil, "postgres://h/d?load_balance_hosts=disable", "libpq's load_balance_hosts cannot"},
		{nil, "postgres://h/d?gssencmode=disable&sslmode=disable&sslcrl=/CANARY", "libpq's gssencmode, sslcrl cannot"},
		{nil, "postgres://h/d?gssencmode=", "libpq's gssencmode cannot"},
		{nil, "host=h tcp_user_timeout=5000 password=CANARY", "libpq's tcp_user_timeout cannot"},
		{nil, "host=h hostaddr=10.0.0.1", "hostaddr: give the address as host"},
		{nil, "service=x servicefile=" + service, "libpq's requirepeer cannot"},
		{map[string]string{"PGSERVICE": "x", "PGSERVICEFILE": service}, "", "libpq's requirepeer cannot"},
		{map[string]string{"PGGSSENCMODE": "CANARY"}, "postgres://h/d", "libpq's PGGSSENCMODE cannot be heeded here: PGGSSENCMODE: unset it; leave it out"},
		{map[string]string{"PGSSLCRL": "/CANARY", "PGHOSTADDR": "10.0.0.1"}, "postgres://h/d", "libpq's PGHOSTADDR, PGSSLCRL cannot"},
		{map[string]string{"PGGSSENCMODE": ""}, "postgres://h/d", ""},
		{map[string]string{"PGREQUIREAUTH": "scram-sha-256", "PGCHANNELBINDING": "disable"}, "postgres://h/d", ""},
		{nil, "postgres://h/d?channel_binding=disable&require_auth=scram-sha-256&sslcertmode=disable&max_protocol_version=3.2", ""},
		{nil, "postgres://h/d?work_mem=4MB&application_name=x", ""},
	} {
		t.Run(tt.url, func(t *testing.T) {
			for name, value := range tt.variables {
				t.Setenv(name, value)
			}
			config, err := pgxpool.ParseConfig(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			cause, hint := libpq.Unknown(config.ConnConfig.RuntimeParams)
			said := cause + ": " + hint
			if tt.want == "" && cause != "" || !strings.Contains(said, tt.want) || strings.Contains(said, "CANARY") {
				t.Errorf("%s; want %q, and no CANARY", said, tt.want)
			}
		})
	}
}
