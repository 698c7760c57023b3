package secrets

import "testing"

// Each address is named, and each cause once, whatever the driver tried.
func TestEachCauseOnce(t *testing.T) {
	t.Parallel()
	const failed = "failed to connect to `user=u database=x`:"
	for name, tt := range map[string]struct{ text, want string }{
		"one": {
			" 127.0.0.1:1 (db): dial error: dial tcp 127.0.0.1:1: connect: connection refused",
			" 127.0.0.1:1 (db): connection refused",
		},
		"two addresses": {
			"\n\t[::1]:1 (localhost): dial error: dial tcp [::1]:1: connect: connection refused" +
				"\n\t127.0.0.1:1 (localhost): dial error: dial tcp 127.0.0.1:1: connect: connection refused",
			" [::1]:1, 127.0.0.1:1 (localhost): connection refused",
		},
		"with TLS and without": {
			"\n\t127.0.0.1:1 (db): tls error: timeout: context deadline exceeded" +
				"\n\t127.0.0.1:1 (db): dial error: timeout: context deadline exceeded",
			" 127.0.0.1:1 (db): tls error: timeout: context deadline exceeded",
		},
		"an unknown name": {
			"\n\thostname resolving error: lookup db.invalid on 10.0.0.53:53: no such host" +
				"\n\tlookup db.invalid on 10.0.0.53:53: no such host",
			" hostname resolving error: lookup db.invalid on 10.0.0.53:53: no such host",
		},
		"a pair": {
			"\n\t10.0.0.1:5432 (db1): dial error: dial tcp 10.0.0.1:5432: i/o timeout" +
				"\n\t10.0.0.2:5432 (db2): server error: FATAL: database \"x\" does not exist (SQLSTATE 3D000)",
			" 10.0.0.1:5432 (db1): i/o timeout; 10.0.0.2:5432 (db2): server error: FATAL: database \"x\" does not exist (SQLSTATE 3D000)",
		},
		"no socket": {
			" /tmp/.s.PGSQL.5432 (/tmp): dial error: dial unix /tmp/.s.PGSQL.5432: connect: no such file or directory",
			" /tmp/.s.PGSQL.5432 (/tmp): no such file or directory",
		},
	} {
		if got := eachCauseOnce(failed + tt.text); got != failed+tt.want {
			t.Errorf("%s: got %s, want %s%s", name, got, failed, tt.want)
		}
	}
}
