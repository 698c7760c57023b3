package afe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"shardclient/runner/afe"

	"github.com/go-json-experiment/json/jsontext"
)

// exampleClient returns a client of a master at the given address.
func exampleClient(address string) *afe.Client {
	master, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	client, err := afe.NewClient(afe.Options{
		Master:           master,
		User:             "autotest",
		Protocol:         afe.ProtocolAuto,
		Timeout:          time.Minute,
		MaxResponseBytes: 1 << 20,
		UserAgent:        "example",
	})
	if err != nil {
		panic(err)
	}
	return client
}

// A heartbeat uploads a finished job and brings hosts and jobs. The second host has no name: it
// carries the reason, and the others count.
func ExampleClient_Heartbeat() {
	master := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s %s\n%s\n", r.Method, r.URL, body)
		_, _ = io.WriteString(w, `{"error": null, "id": "jsonrpc", "result": {
			"hosts": [{"id": 1, "hostname": "host1.example"}, {"id": 2}],
			"jobs": [],
			"suite_keyvals": [],
			"incorrect_host_ids": [3]
		}}`)
	}))
	defer master.Close()
	client := exampleClient(master.URL)
	defer client.Close()

	response, err := client.Heartbeat(context.Background(), &afe.Packet{
		ShardHostname: "shard1.example",
		KnownJobIDs:   []int64{8},
		KnownHostIDs:  []int64{},
		Jobs:          []jsontext.Value{jsontext.Value(`{"id":7}`)},
		Entries:       []jsontext.Value{jsontext.Value(`{"id":70,"job":7}`)},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("protocol", response.Protocol)
	defer response.Close()
	for i := range response.Hosts.Len() {
		host, err := response.Hosts.Read(i)
		if err != nil {
			panic(err)
		}
		if host.Err != nil {
			fmt.Printf("host %d cannot be used: %v\n", host.ID, host.Err)
			continue
		}
		fmt.Printf("host %d is %s, %s\n", host.ID, host.Object.Hostname, host.Object.Status)
	}
	fmt.Println("not ours any more:", response.IncorrectHosts.Len(), "host")
	// Output:
	// POST /afe/server/noauth/rpc/?method=shard_heartbeat
	// {"method":"shard_heartbeat","params":[{"shard_hostname":"shard1.example","known_job_ids":[8],"known_host_ids":[],"known_host_statuses":[],"jobs":[{"id":7}],"hqes":[{"id":70,"job":7}]}],"id":"jsonrpc"}
	// protocol 2019
	// host 1 is host1.example, Ready
	// host 2 cannot be used: hostname: is missing
	// not ours any more: 1 host
}

// A master that knows no such shard raises an exception. It is a clear answer: the packet was not
// stored and never will be. No record of it is to blame.
func ExampleJudge() {
	master := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"result": null, "id": "jsonrpc", "error": {
			"name": "DoesNotExist", "message": "Shard matching query does not exist.", "traceback": ""
		}}`)
	}))
	defer master.Close()
	client := exampleClient(master.URL)
	defer client.Close()

	_, err := client.Heartbeat(context.Background(), &afe.Packet{ShardHostname: "shard9.example"})
	var failure *afe.Error
	if !errors.As(err, &failure) {
		panic(err)
	}
	fmt.Println(failure.Class, "-", failure.RPC)
	fmt.Println("refused:", afe.Judge(err).Is(afe.Refused))
	fmt.Println("outage: ", afe.Judge(err).Outage())
	fmt.Println("clear:  ", afe.Clear(err))
	// Output:
	// rpc_error - DoesNotExist: Shard matching query does not exist.
	// refused: false
	// outage:  false
	// clear:   true
}
