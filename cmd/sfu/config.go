package main

import (
	"os"

	"github.com/spf13/cobra"

	"parlor/config"
)

// settings gives c the flags of the named settings (none: of all) and --config.
func settings(c *cobra.Command, keys ...string) {
	c.Flags().String("config", os.Getenv("SFU_CONFIG"), "YAML file with settings. $SFU_CONFIG")
	c.Flags().SortFlags = false
	config.Flags(c.Flags(), keys...)
}

// load reads the configuration for c.
func load(c *cobra.Command) (config.Config, error) { return loadFor(c, false) }

// loadFor is load, to start a node or only to reach one.
func loadFor(c *cobra.Command, reach bool) (config.Config, error) {
	file, err := c.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(config.Sources{File: file, Flags: c.Flags(), Reach: reach})
}

// reread reads the configuration of a node that runs again.
func reread(c *cobra.Command, before config.Config) (config.Config, error) {
	file, err := c.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(config.Sources{File: file, Flags: c.Flags(), NodeID: before.Node.ID})
}

func configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, with what each setting does",
		Long: `Print the configuration that ` + "`sfu`" + ` would start with here, from defaults, file, environment and flags, as a YAML
file with comments. Secrets are masked: put them in again before using it as a file.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(c)
			if err != nil {
				return err
			}
			text, err := cfg.YAML()
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	settings(c)
	return c
}
