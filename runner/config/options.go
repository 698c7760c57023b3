package config

import (
	"os"

	"github.com/alecthomas/kong"
)

// KongOptions returns the options with which kong.New reads a grammar that embeds [Config] by the
// rules of this package.
//
// A variable of ours that is set but empty counts as unset, as libpq treats its PG variables:
// `SHARD_CLIENT_USER=` in an environment file of systemd must not fail. Such variables are removed
// from the environment of the process, because kong reads it at several moments.
func KongOptions() []kong.Option { return []kong.Option{kong.PostBuild(unsetEmpty)} }

func unsetEmpty(k *kong.Kong) error {
	for _, flag := range k.Model.Flags {
		for _, name := range flag.Envs {
			if value, ok := os.LookupEnv(name); !ok || value != "" {
				continue
			}
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return nil
}
