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

// isActive is docs/protocol.md, "The shard's scheduler", for the statuses that occur here.
func isActive(status string) bool {
	switch status {
	case starting, provisioning, resetting, verifying, pending, running, gathering:
		return true
	}
	return false
}

// isFinal says whether an entry that has the status is at its end, complete or about to be.
func isFinal(status string) bool {
	switch status {
	case completed, failed, aborted, stopped, template:
		return true
	}
	return false
}

// isBeforeRun says whether an entry that has the status may still be stopped without having run.
func isBeforeRun(status string) bool {
	switch status {
	case queued, starting, provisioning, resetting, verifying, pending:
		return true
	}
	return false
}
