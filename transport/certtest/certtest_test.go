package certtest

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// TestIssue: a client that trusts the authority takes its certificates for their names, from files as well,
// and no other does.
func TestIssue(t *testing.T) {
	ours, theirs := New(t), New(t)
	for _, name := range []string{"127.0.0.1", "node.test"} {
		c, err := tls.LoadX509KeyPair(ours.Files(t, t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			name string
			by   *Authority
			ok   bool
		}{{name, ours, true}, {name, theirs, false}, {"other.test", ours, false}} {
			_, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: x.name, Roots: x.by.Pool()})
			if (err == nil) != x.ok {
				t.Errorf("%s as %s: %v", name, x.name, err)
			}
		}
	}
}
