package postgres

import "syscall"

// roomIn returns the bytes available in a directory in memory; 0 when it is no such thing.
func roomIn(memory string) int64 {
	const tmpfs = 0x01021994
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Type != tmpfs {
		return 0
	}
	return int64(fs.Bavail) * int64(fs.Bsize)
}
