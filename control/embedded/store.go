package embedded

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockFile is held by the process whose server uses the directory.
const lockFile = "parlor.lock"

// lock makes the directory this process's, until what it returns is closed, or the process has ended in
// whatever way.
func lock(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("directory for the embedded NATS server: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("storage directory of the embedded NATS server: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("storage directory %s of the embedded NATS server: another process uses it (%w)", dir, err)
	}
	return f, nil
}

// bounded returns how many bytes the store may take: no more than most, and no more than what it has already
// plus three quarters of what is free.
func bounded(dir string, most int64) int64 {
	var disk unix.Statfs_t
	if unix.Statfs(dir, &disk) != nil || disk.Bsize <= 0 {
		return most // the server finds out
	}
	free := int64(min(disk.Bavail, 1<<62/uint64(disk.Bsize))) * disk.Bsize
	return max(1, min(most, free/4*3+used(dir)))
}

// used returns the bytes in the files below a directory.
func used(dir string) (bytes int64) {
	// What cannot be read counts for nothing.
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
