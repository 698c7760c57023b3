package postgres

import "syscall"

// roomIn returns how many bytes are free in a directory that lives in memory, and 0 for any other
// directory.
func roomIn(memory string) int64 {
	const tmpfs = 0x01021994
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Type != tmpfs {
		return 0
	}
	return int64(fs.Bavail) * int64(fs.Bsize)
}
