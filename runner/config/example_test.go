package config_test

import (
	"fmt"

	"shardclient/runner/config"
	"shardclient/runner/flags"
)

// settings parses a command line as shard-client does.
func settings(arguments ...string) *config.Config {
	var c config.Config
	if err := flags.Parse(flags.New(&c), arguments); err != nil {
		panic(err)
	}
	return &c
}

func ExampleConfig() {
	c := settings("--master=master.example:8080", "--heartbeat-pause=30s", "--max-upload-bytes=4MiB",
		"--database-url=postgres://shard:hunter2@db.example/shard")
	master, err := c.MasterURL()
	if err != nil {
		panic(err)
	}
	fmt.Println(master)
	fmt.Println(c.HeartbeatPause, c.Splay(), c.MaxUploadBytes, int64(c.MaxUploadBytes))
	fmt.Println(c.DatabaseURL)
	// Output:
	// http://master.example:8080
	// 30s 30s 4MiB 4194304
	// postgres://shard@db.example/shard
}

// Each setting that cannot be used is named, with the cause and what to do.
func ExampleConfig_ValidateSettings() {
	c := settings("--master=ftp://master.example", "--drain-pause=-1s")
	fmt.Println(c.ValidateSettings())
	// Output:
	// --master "ftp://master.example": its scheme "ftp" is not http or https: give a host, HOST:PORT or a URL (http://HOST[:PORT])
	// --drain-pause "-1s": it must be longer than 0: give a duration such as 300ms, 60s or 30m
}

// A proxy repeats on its error page the address to which it was to connect, and the page is cut.
func ExampleConfig_Secrets() {
	c := settings("--database-url=postgres://shard:hunter2@db.example/shard")
	secrets := c.Secrets(nil)
	fmt.Println(secrets.Redact("cannot connect to db.example as shard with hunter2"))
	fmt.Println(secrets.Redact("tried postgres://shard:hunt"))
	// Output:
	// cannot connect to db.example as shard with xxxxx
	// tried postgres://shard:xxxxx
}
