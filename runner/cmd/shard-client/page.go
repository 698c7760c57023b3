package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"shardclient/runner/config"
	"shardclient/runner/flags"
	"shardclient/runner/operator"
	"shardclient/runner/ops"
	"shardclient/runner/page/status"
	"shardclient/runner/plain"
)

// newBoard returns what the status page shows.
func (p *program) newBoard(health *ops.Health) (*status.Board, error) {
	return status.New(status.Options{
		ShardHostname: p.settings.ShardHostname,
		Master:        p.secrets.Redact(p.settings.Master),
		Version:       version,
		Began:         p.began,
		Health:        health,
		Ask:           p.askForPage,
		Settings:      p.shownSettings,
	})
}

// askForPage reads for the page what only the database knows. It connects anew each time: the pool
// has no connection to spare beside those of a beat.
func (p *program) askForPage(
	ctx context.Context, before time.Time, atMost, objects int,
) (beats []operator.Beat, quarantined []operator.Quarantined, err error) {
	pool, err := p.connect(ctx)
	if err == nil {
		defer pool.Close()
		if atMost > 0 {
			beats, err = operator.LastBeats(ctx, pool, before, atMost)
		}
	}
	if err == nil {
		quarantined, err = operator.NewestQuarantined(ctx, pool, objects)
	}
	if err != nil {
		err = errors.New(plain.Line(p.secrets.RedactError(err), maxErrorText))
	}
	return beats, quarantined, err
}

// shownSettings lists the settings as they are in force, without secrets.
func (p *program) shownSettings() (list []status.Setting) {
	values := reflect.ValueOf(p.settings).Elem()
	for _, field := range reflect.VisibleFields(values.Type()) {
		value := values.FieldByIndex(field.Index)
		if value.Kind() == reflect.Pointer {
			if value.IsNil() {
				value = reflect.ValueOf("")
			} else {
				value = value.Elem()
			}
		}
		text := fmt.Sprint(value.Interface()) // a DatabaseURL shows no password
		if field.Type == reflect.TypeFor[config.DatabaseURL]() {
			text = p.settings.RedactedDatabaseURL()
		}
		list = append(list, status.Setting{
			Name: "--" + cmp.Or(field.Tag.Get("name"), flags.Name(field.Name)), Value: p.secrets.Redact(text),
		})
	}
	return list
}
