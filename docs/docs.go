// Package docs has what of the documents the programs need themselves.
package docs

import _ "embed" // for the files

// Grants is grants.sql, for a role shard_client, a database autotest and a schema public.
//
//go:embed grants.sql
var Grants string
