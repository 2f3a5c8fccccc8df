package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

// minPassword is the least length in bytes of the password of the server inside the process. That server does
// not slow down a guesser.
const minPassword = 16

// readNATSPassword reads the file of the password.
func (l *loader) readNATSPassword() {
	c := &l.config.NATS
	if c.PasswordFile == "" {
		return
	}
	if c.Password != "" {
		l.fail("nats.password_file", "is set, and nats.password as well: one of them is needed")
		return
	}
	text, err := os.ReadFile(c.PasswordFile)
	if err == nil && strings.TrimSpace(string(text)) == "" {
		err = errors.New(c.PasswordFile + " is empty")
	}
	if err != nil {
		l.fail("nats.password_file", err.Error())
		return
	}
	c.Password = Secret(strings.TrimSpace(string(text)))
}

func (l *loader) checkNATS() {
	c := &l.config.NATS
	l.checkPair("nats.tls", c.TLS.Cert, c.TLS.Key)
	l.checkFile("nats.tls.ca", c.TLS.CA)
	switch {
	case c.User != "" && c.Password == "" && l.sound("nats.password", "nats.password_file"):
		l.fail("nats.password", "is needed together with nats.user, here or in nats.password_file")
	case c.Password != "" && c.User == "":
		l.fail("nats.user", "is needed together with nats.password")
	}
	if c.URL == "" {
		l.checkInnerNATS()
		return
	}
	if c.Replicas > 5 {
		l.fail("nats.replicas", fmt.Sprintf("%d is more than 5, the most that NATS allows", c.Replicas))
	}
	l.checkNATSURL()
}

// checkNATSURL looks at the servers that are joined. What it says never has a password in it.
func (l *loader) checkNATSURL() {
	c := &l.config.NATS
	l.checkFile("nats.credentials", c.Credentials)
	if c.Credentials != "" && c.User != "" {
		l.fail("nats.credentials", "is set, and nats.user as well: one of them is needed")
	}
	for server := range strings.SplitSeq(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		schemes := []string{"nats", "tls", "ws", "wss"}
		switch {
		case err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme):
			l.fail("nats.url", "is no address of a NATS server, such as nats://127.0.0.1:4222")
		case u.User != nil && (c.User != "" || c.Credentials != ""):
			l.fail("nats.url", "has a user in it, and nats.user or nats.credentials is set as well: one of them is needed")
		}
	}
}

// noNATSKey says what to do when the inner server is to be reachable from elsewhere.
const noNATSKey = `whoever reaches %s could give every command and read every event, because the NATS server asks nobody who they are. Give it a password:
    openssl rand -hex 32 > nats.password; chmod 600 nats.password
    --nats.user sfu --nats.password_file nats.password
  or certificates by --nats.tls.cert, --nats.tls.key and --nats.tls.ca. Or stay on this machine: --nats.listen 127.0.0.1:4222`

// checkInnerNATS looks at the server inside the process.
func (l *loader) checkInnerNATS() {
	c := &l.config.NATS
	switch {
	case c.Replicas > 5:
		l.fail("nats.replicas", fmt.Sprintf("%d is more than 5, the most that NATS allows", c.Replicas))
	case c.Replicas > 1:
		l.fail("nats.replicas", "more than 1 needs a cluster of NATS servers: nats.url")
	}
	if c.Listen == "" {
		l.fail("nats.listen", "an address is needed, such as 127.0.0.1:4222, unless nats.url is set")
		return
	}
	if l.reach { // how it is asked, and where, is all that matters
		return
	}
	if c.Credentials != "" {
		l.fail("nats.credentials", "is for the server of nats.url; the one inside this process knows nats.user and nats.password")
	}
	if c.TLS.CA != "" && c.TLS.Cert == "" {
		l.fail("nats.tls.ca", "says whose certificates the server inside this process takes; it needs nats.tls.cert as well")
	}
	if c.StoreMB <= c.EventsMB && l.sound("nats.store_mb", "nats.events_mb") {
		l.fail("nats.store_mb", fmt.Sprintf("%d is not above nats.events_mb (%d): there is more than events to be kept", c.StoreMB, c.EventsMB))
	}
	if c.Password != "" && len(c.Password) < minPassword {
		l.fail("nats.password", fmt.Sprintf("has %d bytes, at least %d are needed; `openssl rand -hex 32` makes one", len(c.Password), minPassword))
	}
	asks := c.Password != "" || c.TLS.Cert != "" && c.TLS.CA != ""
	if !c.Listen.Loopback() && !asks && l.sound("nats.listen", "nats.password", "nats.password_file", "nats.tls.cert", "nats.tls.ca") {
		l.fail("nats.listen", fmt.Sprintf(noNATSKey, c.Listen))
	}
}
