package afe

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

var subjectsOfMessages = map[string]Subject{
	"Object with pk 99 of type <class 'autotest_lib.frontend.afe.models.Job'> does not exist on master.":             {Kind: "job", ID: 99},
	"Object with pk 7 of type <class 'autotest_lib.frontend.afe.models.HostQueueEntry'> does not exist on master.":   {Kind: "entry", ID: 7},
	"Job id=5 is assigned to shard (2). Cannot update it with {'id': 5} from shard 1.":                               {Kind: "job", ID: 5},
	"Host matching query does not exist. Lookup parameters were {'pk': 77}":                                          {Kind: "host", ID: 77},
	"mallory does not have access to chromeos1-row1-host2":                                                           {Kind: "host", Hostname: "chromeos1-row1-host2"},
	"Shard matching query does not exist. Lookup parameters were {'hostname': 'nope'}":                               {},
	"Serialized must not contain foreign objects":                                                                    {},
	"Object with pk 99999999999999999999 of type <class 'autotest_lib.frontend.afe.models.Job'> does not exist on m": {},
	"mallory does not have access to 7":                                                                              {Kind: "host", Hostname: "7"},
	"mallory does not have access to -7":                                                                             {Kind: "host", Hostname: "-7"},
	"mallory does not have access to a\x00b":                                                                         {},
	"mallory does not have access to \xff":                                                                           {},
	"Job id=0 is assigned to shard (2).":                                                                             {},
	"":                                                                                                               {},
}

func TestSubjectOfAMessage(t *testing.T) {
	for message, want := range subjectsOfMessages {
		if got := (&RPCError{Message: message}).Subject(); got != want {
			t.Errorf("%q: %+v, want %+v", message, got, want)
		}
	}
}

// FuzzSubject checks that a message names at most one record, by an id that stands in it or by a
// hostname that can be looked up in a database.
func FuzzSubject(f *testing.F) {
	for message := range subjectsOfMessages {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message string) { checkSubject(t, &RPCError{Message: message}) })
}

func checkSubject(t *testing.T, rpc *RPCError) {
	subject := rpc.Subject()
	switch {
	case subject == Subject{}:
	case subject.Kind == "" || subject.ID < 0 || (subject.ID == 0) == (subject.Hostname == ""):
		t.Errorf("%q: %+v is not one record", rpc.Message, subject)
	case subject.ID > 0 && !strings.Contains(rpc.Message, strconv.FormatInt(subject.ID, 10)):
		t.Errorf("%q: the id %d does not stand there", rpc.Message, subject.ID)
	case subject.Hostname != "" && (subject.Kind != "host" || !strings.HasSuffix(rpc.Message, " "+subject.Hostname)):
		t.Errorf("%q: the %s %q does not stand there", rpc.Message, subject.Kind, subject.Hostname)
	case strings.Contains(subject.Hostname, "\x00") || !utf8.ValidString(subject.Hostname):
		t.Errorf("%q: PostgreSQL takes no such text as %q", rpc.Message, subject.Hostname)
	}
}
