package afe

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"slices"
	"strconv"
	"testing"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	status := func(code int) error { return &Error{Class: HTTPStatus, Status: code} }
	transport := func(err error) error { return &Error{Class: Transport, Err: err} }
	for _, c := range []struct {
		name   string
		err    error
		want   Verdict
		outage bool
	}{
		{"an answer", nil, Answered, false},
		{"deadline", &Error{Class: Deadline}, Overloaded, true},
		{"reset", transport(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), Overloaded, true},
		{"nobody listens", transport(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), Unreachable, true},
		{"body too large", status(413), Overloaded, true},
		{"unavailable", status(503), Overloaded, true},
		{"bad gateway", status(502), Overloaded, true},
		{"gateway time-out", status(504), Overloaded, true},
		{"too many requests", status(429), Unreachable, true},
		{"500 of the original", status(500), Refused | Overloaded, true},
		{"forbidden", status(403), Refused | Unreachable, true},
		{"another server", status(404), Refused | Unreachable, true},
		{"redirect", status(301), Unreachable, true},
		{"no content", status(204), Unreachable, true},
		{"exception", &Error{Class: RPC, RPC: &RPCError{Name: "ValueError"}}, Refused, false},
		{"no such shard", &Error{Class: RPC, RPC: &RPCError{Name: "DoesNotExist",
			Message: "Shard matching query does not exist. Lookup parameters were {'hostname': 'x'}"}}, Unknown, false},
		{"no such id of a shard", &Error{Class: RPC, RPC: &RPCError{Name: "DoesNotExist",
			Message: "Shard matching query does not exist. Lookup parameters were {'pk': 7}"}}, Unknown, false},
		{"two such shards", &Error{Class: RPC, RPC: &RPCError{Name: "MultipleObjectsReturned",
			Message: "get() returned more than one Shard -- it returned 2! Lookup parameters were {'hostname': 'x'}"}}, Unknown, false},
		{"no such call", &Error{Class: RPC, RPC: &RPCError{Name: "ServiceMethodNotFound", Message: "shard_heartbeat"}}, Unknown, false},
		{"no such host", &Error{Class: RPC, RPC: &RPCError{Name: "DoesNotExist",
			Message: "Host matching query does not exist. Lookup parameters were {'pk': 7}"}}, Refused, false},
		{"not JSON", &Error{Class: Undecodable}, Unusable, false},
		{"a section is missing", &Error{Class: Incomplete}, Unusable, false},
		{"too large", &Error{Class: TooLarge}, Unusable, false},
		{"a fault of our own", &Error{Class: Internal, Err: errors.New("encode packet")}, Ours, false},
		{"the database here", errors.New("connection lost"), Ours, false},
	} {
		for _, err := range []error{c.err, wrapped(c.err)} {
			if got := Judge(err); got != c.want || got.Outage() != c.outage {
				t.Errorf("%s: verdict %b, outage %t; want %b, %t", c.name, got, got.Outage(), c.want, c.outage)
			}
		}
	}
	for _, class := range Classes() {
		if Judge(&Error{Class: class}) == 0 {
			t.Errorf("no verdict on class %s", class)
		}
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("beat: %w", err)
}

// Who gave up waiting does not matter to the master, which still has the request.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{&Error{Class: Deadline}, true}, {&Error{Class: HTTPStatus, Status: 504}, true}, {&Error{Class: HTTPStatus, Status: 502}, false},
		{&Error{Class: Transport}, false}, {errors.New("other"), false}, {nil, false},
	} {
		if got := Abandoned(wrapped(tt.err)); got != tt.want {
			t.Errorf("%v: %t", tt.err, got)
		}
	}
}

// Classes must return a class that is added, or its metric appears only with the first failure.
func TestClassesAreAllThereAre(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	classes := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Class" {
			classes++
			class, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil || !slices.Contains(Classes(), Class(class)) {
				t.Errorf("Classes does not know %q (%v)", class, err)
			}
		}
		return true
	})
	if classes == 0 {
		t.Error("no class found")
	}
}
