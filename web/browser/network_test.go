package browser

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A machine has all its addresses once it has joined. One that came later, as the kernel's own of IPv6 do
// after two seconds, would end what a page loads just then: Chromium says ERR_NETWORK_CHANGED.
func TestNoAddressComesLater(t *testing.T) {
	n, err := NewNetwork()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	s, err := n.Join()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	var v6 []byte
	require.NoError(t, s.space.Do(func() (err error) { v6, err = os.ReadFile("/proc/thread-self/net/if_inet6"); return err }))
	require.True(t, bytes.Contains(v6, []byte(" lo\n")), "%s", v6)
	require.False(t, bytes.Contains(v6, []byte(" eth0\n")), "%s", v6)
}
