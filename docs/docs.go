// Package docs has what of the documents the programs need themselves.
package docs

import _ "embed" // for the files

// Grants is grants.sql, as psql reads it, for a schema public.
//
//go:embed grants.sql
var Grants string
