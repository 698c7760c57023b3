package afe

import "testing"

func TestSubjectOfAMessage(t *testing.T) {
	for message, want := range map[string]Subject{
		"Object with pk 99 of type <class 'autotest_lib.frontend.afe.models.Job'> does not exist on master.":             {Kind: "job", ID: 99},
		"Object with pk 7 of type <class 'autotest_lib.frontend.afe.models.HostQueueEntry'> does not exist on master.":   {Kind: "entry", ID: 7},
		"Job id=5 is assigned to shard (2). Cannot update it with {'id': 5} from shard 1.":                               {Kind: "job", ID: 5},
		"Host matching query does not exist. Lookup parameters were {'pk': 77}":                                          {Kind: "host", ID: 77},
		"mallory does not have access to chromeos1-row1-host2":                                                           {Kind: "host", Hostname: "chromeos1-row1-host2"},
		"Shard matching query does not exist. Lookup parameters were {'hostname': 'nope'}":                               {},
		"Serialized must not contain foreign objects":                                                                    {},
		"Object with pk 99999999999999999999 of type <class 'autotest_lib.frontend.afe.models.Job'> does not exist on m": {Kind: "job", Hostname: "99999999999999999999"},
		"": {},
	} {
		if got := (&RPCError{Message: message}).Subject(); got != want {
			t.Errorf("%q: %+v, want %+v", message, got, want)
		}
	}
}
