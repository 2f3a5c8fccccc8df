package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"parlor/config"
	"parlor/sfu"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), sfu.Version()) },
	}
}

func healthCommand() *cobra.Command {
	var url string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a node whether it is well; for containers",
		Long:  "Ask /healthz of the node that this configuration would start. The exit code is 0 if it is well, else 1.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usage("--timeout %v leaves no time for an answer", timeout)
			}
			if url == "" {
				cfg, err := loadFor(c, true) // the node may have its key from elsewhere
				if err != nil {
					return err
				}
				if url, err = healthURL(cfg); err != nil {
					return err
				}
			}
			return checkHealth(c.Context(), url, timeout)
		},
	}
	c.Flags().StringVar(&url, "url", "", "the node's /healthz, if not the one of the configuration")
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait")
	settings(c, "http.listen", "monitor.listen", "monitor.allow", "http.tls.cert", "http.tls.key", "http.acme.hosts", "http.acme.agree", "auth.keys", "auth.keys_file")
	return c
}

// healthURL is where a node of this configuration answers on its own machine.
func healthURL(cfg config.Config) (string, error) {
	if at := cfg.Monitor.Listen; at != "" && at.Port() != 0 {
		return "http://" + at.Reachable() + "/healthz", nil
	}
	if cfg.HTTP.Listen.Port() == 0 {
		return "", usage("http.listen has port 0; say by --url where the node listens")
	}
	scheme := "http"
	if cfg.HTTP.Secure() {
		scheme = "https"
	}
	return scheme + "://" + cfg.HTTP.Listen.Reachable() + "/healthz", nil
}

func checkHealth(ctx context.Context, url string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// The certificate is for the name under which users know the node, not for this machine's own address.
	// Nothing is sent that needs protection.
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usage("--url: %w", err)
	}
	res, err := client.Do(q)
	if err != nil {
		return fmt.Errorf("no node answers: %w", err)
	}
	defer res.Body.Close()
	var h sfu.Health
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers with status %d, which is no health of a node", url, res.StatusCode)
	}
	// Draining may go on for hours, and must not be ended for it.
	if h.Status != "ok" && h.Status != "draining" {
		return fmt.Errorf("node %s is %q", h.Node, h.Status)
	}
	return nil
}
