package config

import (
	"os"

	"github.com/alecthomas/kong"
)

// Options are what kong.New needs to read a grammar that embeds Config by the rules of this package.
//
// A variable of ours that is set but empty counts as unset, as libpq treats PG*: `SHARD_CLIENT_USER=` in a systemd
// environment file must not fail. Such variables are removed from the process's environment, because kong looks there at
// several moments.
func Options() []kong.Option { return []kong.Option{kong.PostBuild(unsetEmpty)} }

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
