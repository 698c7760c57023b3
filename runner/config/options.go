package config

import (
	"os"

	"github.com/alecthomas/kong"
)

// Options are what kong.New needs to read a grammar that embeds Config by the rules of this package.
//
// Below the environment and above the defaults stand the given resolvers, each overriding those before it: Autotest's
// files go in as Options(globalConfig, shadowConfig).
//
// A variable of ours that is set but empty counts as unset, as libpq treats PG*: `SHARD_CLIENT_USER=` in a systemd
// environment file must not fail, nor hide a value from below. Such variables are removed from the process's
// environment, because kong looks there at several moments.
func Options(below ...kong.Resolver) []kong.Option {
	options := []kong.Option{kong.PostBuild(unsetEmpty)}
	for _, r := range below {
		options = append(options, kong.Resolvers(belowEnvironment{r}))
	}
	return options
}

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

// belowEnvironment keeps a resolver silent about a flag whose environment variable is set: kong by itself would let
// resolvers override the environment.
type belowEnvironment struct{ kong.Resolver }

// Resolve implements kong.Resolver.
func (b belowEnvironment) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	return b.Resolver.Resolve(ctx, parent, flag)
}
