// Package sites tests databases and servers as others set them up: other encodings, locales and
// settings, roles that may little, another language, TLS, and tables to which somebody has added
// something. The program, PostgreSQL and the reference master are real. A plain go test plays some;
// -every plays all, as `make matrix` does.
package sites
