// Package page owns how our status pages look and how they are served: one document without
// anything from elsewhere, for a desk and for a phone, in the dark too, which keeps itself up to
// date with a script and without one.
//
// # What it promises
//
// Text is escaped where it is written ([Text]), and what others wrote is set apart ([Foreign]). The
// Content-Security-Policy allows the style and the script of this package and nothing else, so that
// a mistake here is no hole. A storm of readers costs one page a second ([Handler]).
//
// # Limits
//
// It knows no shard and no master: package status and the reference master say what stands on their
// pages. golang.org/x/net/html writes the HTML
// (docs/decisions/0069-a-status-page-out-of-one-document.md).
package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the style and the script
	"encoding/base64"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/html"

	"shardclient/runner/plain"
)

// State is how things are, as colour, sign and word.
type State string

// The states.
const (
	Good    State = "good"
	Waiting State = "waiting" // nothing is known yet
	Warning State = "warning" // somebody should look at it, in the daytime
	Bad     State = "bad"     // somebody should look at it now
)

// sign is the state for those who see no colours, and colour that of the icon in the browser's tab.
func (s State) sign() (sign, colour string) {
	switch s {
	case Good:
		return "✓", "1a7f37"
	case Warning:
		return "!", "bf8700"
	case Bad:
		return "✕", "cf222e"
	}
	return "…", "57606a"
}

// Document is what a page says.
type Document struct {
	Name  string // of what it is about
	About Part   // one line below the name
	State State
	// Sentence is the state in one sentence; Advice says what to do, where there is something.
	Sentence string
	Advice   Part
	Sections []Section
	Footer   Part
}

// Section is a part of the page under a heading. Its ID names it from one page to the next.
type Section struct {
	ID, Heading string
	Body        Part
}

//go:embed page.css
var style string

//go:embed page.js
var script string

const (
	// fresh is for how long a page serves everybody who asks.
	fresh = time.Second
	// patience is how long whoever makes the page may ask others.
	patience = 3 * time.Second
	// unattended is after how many seconds a browser that runs no script asks again.
	unattended = 15
)

// policy lets a browser use what stands in the page, and fetch nothing but the page itself.
var policy = sync.OnceValue(func() string {
	return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) +
		"; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
})

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Handler serves the document that make returns. However many ask, it is made once a second at
// most, and one at a time; all who ask meanwhile get the same. The context of make ends after three
// seconds, and not when a reader goes away. now is the clock.
func Handler(make func(context.Context) *Document, now func() time.Time) http.Handler {
	return &handler{make: make, now: now}
}

type handler struct {
	make func(context.Context) *Document
	now  func() time.Time
	mu   sync.Mutex
	body []byte
	at   time.Time
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := h.page(r.Context())
	for name, value := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Length": strconv.Itoa(len(body)), "Cache-Control": "no-store",
		"Content-Security-Policy": policy(), "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
	} {
		w.Header().Set(name, value)
	}
	_, _ = w.Write(body) // fails only when the reader is gone
}

func (h *handler) page(ctx context.Context) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.body == nil || h.now().Sub(h.at) >= fresh {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		h.body, h.at = render(h.make(ctx)), h.now()
	}
	return h.body
}

func render(d *Document) []byte {
	var b bytes.Buffer
	b.WriteString("<!doctype html>\n")
	if err := html.Render(&b, d.html().(element).node); err != nil {
		panic(err) // a buffer takes everything, and no element of ours is void and has children
	}
	return append(b.Bytes(), '\n')
}

func (d *Document) html() Part {
	sign, colour := d.State.sign()
	icon := `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="8" fill="#` + colour + `"/></svg>`
	head := El("head",
		El("meta", Attr("charset", "utf-8")),
		El("meta", Attr("name", "viewport"), Attr("content", "width=device-width, initial-scale=1")),
		El("meta", Attr("name", "color-scheme"), Attr("content", "light dark")),
		El("meta", Attr("name", "robots"), Attr("content", "noindex")),
		El("title", Text(sign+" "+d.Name)),
		El("link", Attr("rel", "icon"), Attr("id", "icon"), Attr("href", "data:image/svg+xml;base64,"+base64.StdEncoding.EncodeToString([]byte(icon)))),
		El("noscript", El("meta", Attr("http-equiv", "refresh"), Attr("content", strconv.Itoa(unattended)))),
		El("style", Text(style)),
	)
	main := All{
		El("p", Attr("id", "stale"), Attr("role", "alert"), Attr("hidden", "")),
		El("section", Attr("id", "state"), Attr("data-live", ""), Attr("aria-label", "State"), Class("state"),
			El("span", Class("sign"), Attr("aria-hidden", "true"), Text(sign)),
			El("div", El("p", Class("sentence"), Text(plain.Line(d.Sentence, maxForeign))), When(d.Advice != nil, El("div", Class("advice"), d.orNothing())))),
	}
	for _, s := range d.Sections {
		main = append(main, El("section", Attr("id", s.ID), Attr("data-live", ""), Attr("aria-labelledby", s.ID+"-heading"),
			El("h2", Attr("id", s.ID+"-heading"), Text(s.Heading)), s.Body))
	}
	return El("html", Attr("lang", "en"), head, El("body", Attr("data-state", string(d.State)),
		El("header", El("h1", Foreign(d.Name)), El("p", Attr("id", "about"), Attr("data-live", ""), d.About)),
		El("main", main),
		El("footer", El("p", Attr("id", "footer"), Attr("data-live", ""), d.Footer),
			El("p", El("span", Attr("id", "update")), El("button", Attr("id", "pause"), Attr("type", "button"), Attr("aria-pressed", "false"),
				Attr("hidden", ""), Text("Pause updates")))),
		El("p", Attr("id", "announce"), Attr("role", "status"), Class("unseen")),
		El("script", Text(script)),
	))
}

func (d *Document) orNothing() Part {
	if d.Advice == nil {
		return All{}
	}
	return d.Advice
}
