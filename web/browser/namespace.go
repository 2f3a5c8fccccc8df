package browser

import (
	"fmt"
	"os"
	"syscall"

	"parlor/lab/netns"
)

// isolated marks, in the environment, a process that Isolate has already moved.
const isolated = "PARLOR_TEST_NETNS"

// Isolate gives the whole test process a network namespace of its own, by executing it again under
// unshare(1). Ports and addresses there collide with nothing. Nothing of it is left when the process ends,
// however it ends. Call it first in TestMain. In the new process it brings the loopback interface up and
// returns nil. Otherwise it returns only errors.
//
// As root nothing else is needed. Other users get a user namespace as well, if the kernel lets them.
func Isolate() error {
	if os.Getenv(isolated) != "" {
		if err := os.Unsetenv(isolated); err != nil {
			return err
		}
		return netns.IP("link set lo up")
	}
	unshare, err := find("unshare", "util-linux")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"unshare", "--net"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	args = append(args, "--", self)
	args = append(args, os.Args[1:]...)
	err = syscall.Exec(unshare, args, append(os.Environ(), isolated+"=1"))
	return fmt.Errorf("execute under unshare: %w", err)
}
