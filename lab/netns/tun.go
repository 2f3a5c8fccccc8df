package netns

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// tunName is the device's, on each machine.
const tunName = "eth0"

// openTUN makes a device in the namespace of the calling thread. What the kernel sends out there is read here
// as IP packets, and what is written arrives there. It goes with the descriptor.
func openTUN() (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(tunName)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("make a TUN device: %w", err)
	}
	return fd, nil
}
