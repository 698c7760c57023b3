package scheduler

// Statuses of entries and hosts, in Autotest's words.
const (
	queued       = "Queued"
	starting     = "Starting"
	provisioning = "Provisioning"
	resetting    = "Resetting"
	verifying    = "Verifying"
	pending      = "Pending"
	running      = "Running"
	gathering    = "Gathering"
	parsing      = "Parsing"

	completed = "Completed"
	failed    = "Failed"
	aborted   = "Aborted"
	stopped   = "Stopped"
	template  = "Template"

	// Of hosts only.
	ready     = "Ready"
	cleaning  = "Cleaning"
	repairing = "Repairing"
)

// isActive reports whether an entry with the status is active, as in docs/protocol.md, "The shard's
// scheduler".
func isActive(status string) bool {
	switch status {
	case starting, provisioning, resetting, verifying, pending, running, gathering:
		return true
	}
	return false
}

// isFinal reports whether an entry with the status has ended: it is complete, or about to be.
func isFinal(status string) bool {
	switch status {
	case completed, failed, aborted, stopped, template:
		return true
	}
	return false
}

// isBeforeRun reports whether an entry with the status has not run yet and may still be stopped.
func isBeforeRun(status string) bool {
	switch status {
	case queued, starting, provisioning, resetting, verifying, pending:
		return true
	}
	return false
}
