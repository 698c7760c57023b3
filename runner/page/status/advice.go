package status

import "shardclient/runner/beat"

// advice says in a line what to do about each class of failure; docs/runbook.md has more under the
// same names.
var advice = map[string]string{
	"transport":   "No answer came. Ask whether the master is up and reachable from here; on the shard there is nothing to do.",
	"deadline":    "The master did not answer in time: it is overloaded, or the upload is too large for it. Uploads get smaller by themselves.",
	"http_status": "Something answered, and it was not the master's service: look at --master, and at the proxy before the master.",
	"undecodable": "What answered is not the master: look at what stands between this shard and it, such as a proxy with a page of its own.",
	"incomplete":  "A section of the answer is missing. Once is a hiccup; often, it is the master's version or something in between.",
	"too_large":   "The answer is larger than --max-response-bytes. Raise that if so many objects are meant to come.",
	"spool":       "The answer could not be written to --spool-dir: make room there, or name another directory.",
	"rpc_error":   "The master raised an exception. If a record of this shard is to blame, it is found and set aside within some beats.",

	beat.FailureDatabase:   "PostgreSQL refused something or did not answer: see whether it is up, its disk full, or a right missing.",
	beat.FailureLocked:     "Another session holds a lock. If this stays, end that session: the oldest transaction is the first to look at.",
	beat.FailureLockLost:   "The connection that holds this shard's lock broke, or another client took over. Often: look at the network to the database.",
	beat.FailureNoProgress: "The master answers, and the same jobs are to be sent again: compare --shard-hostname with the name that it uses.",
	beat.FailureRefusesAll: "The master refuses even an empty packet, so no record of this shard is to blame: read the master's log.",
	"internal":             "This is a fault of shard-client itself. Report it, with the line of the log that has the stack.",
}
