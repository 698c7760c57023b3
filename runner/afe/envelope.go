package afe

import (
	"cmp"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decode reads the JSON-RPC envelope and the result in it.
func decode(body []byte) (*Response, *Error) {
	head := string(body[:min(len(body), maxErrorBody)])
	undecodable := func(err error) (*Response, *Error) {
		return nil, &Error{Class: Undecodable, Body: head, Err: explain(err)}
	}
	var envelope struct {
		Result jsontext.Value `json:"result"`
		Error  jsontext.Value `json:"error"`
	}
	if len(body) == 0 {
		return undecodable(errors.New("nothing came"))
	}
	unreadable := json.Unmarshal(body, &envelope, lenient)
	// One value that the library cannot read must not fail all others. If the whole cannot be read,
	// the first error says more.
	if unreadable != nil && json.Unmarshal(mend(body), &envelope, lenient) != nil {
		return undecodable(unreadable)
	}
	if envelope.Error != nil && envelope.Error.Kind() != 'n' {
		rpc := &RPCError{}
		if err := json.Unmarshal(envelope.Error, rpc, lenient); err != nil || rpc.Name == "" {
			rpc.Name, rpc.Message = "unnamed error", string(envelope.Error)
		}
		return nil, &Error{Class: RPC, RPC: rpc}
	}
	if envelope.Result == nil {
		return undecodable(cmp.Or(unreadable, errors.New("it has neither result nor error")))
	}
	response, err := decodeResult(envelope.Result)
	if err != nil {
		return undecodable(cmp.Or(unreadable, err))
	}
	return response, nil
}
