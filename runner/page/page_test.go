package page

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"
)

const hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u202e&amp;\x00\n\xff"

func someDocument() *Document {
	return &Document{
		Name: "shard1", About: Text(hostile), State: Warning, Sentence: hostile, Advice: El("p", Foreign(hostile)),
		Sections: []Section{
			{ID: "a", Heading: hostile, Body: All{El("a", Attr("href", "/metrics"), Attr("title", hostile)), Foreign(hostile), Tile(hostile, hostile, true)}},
			{ID: "b", Heading: "Plot", Body: (&Plot{What: "beats", Phases: []string{"rpc"}, Bars: []Bar{{MS: []float64{1}, Failed: true, Told: hostile}}}).Draw("plot", time.Now())},
			{ID: "c", Heading: "Table", Body: Table("t", "t", []Column{{Name: hostile}}, Row(Foreign(hostile), Cell{Part: Text(hostile)}))},
		},
		Footer: Text(hostile),
	}
}

func get(t *testing.T, h http.Handler, method string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
	return w
}

// all returns the elements of a page.
func all(t *testing.T, body string) (nodes []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for node := range root.Descendants() {
		if node.Type == html.ElementNode {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

func attr(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// What others wrote is read as text, wherever it stands, and the policy lets a browser run our
// script alone.
func TestHostileTextsStayTexts(t *testing.T) {
	t.Parallel()
	w := get(t, Handler(func(context.Context) *Document { return someDocument() }, time.Now), http.MethodGet)
	policy, texts := w.Header().Get("Content-Security-Policy"), 0
	for _, node := range all(t, w.Body.String()) {
		switch node.Data {
		case "script", "style":
			if !strings.Contains(policy, hash(node.FirstChild.Data)) {
				t.Errorf("the policy %q does not name this %s: %.80q", policy, node.Data, node.FirstChild.Data)
			}
		case "img", "iframe", "form", "base":
			t.Errorf("there is a <%s>", node.Data)
		case "bdi":
			if shown := node.FirstChild.Data; strings.ContainsAny(shown, "\n\x00\u202e") {
				t.Errorf("foreign text %q", shown)
			}
			texts++
		}
		for _, a := range node.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "href" && strings.Contains(a.Val, "//") {
				t.Errorf("<%s %s=%q> is against the policy, or from elsewhere", node.Data, a.Key, a.Val)
			}
		}
	}
	if texts != 4 {
		t.Errorf("%d foreign texts, want the name and three more", texts)
	}
	for _, part := range []string{"default-src 'none'", "connect-src 'self'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) || strings.Contains(policy, "unsafe") {
			t.Errorf("policy %q, want %s and nothing unsafe", policy, part)
		}
	}
}

// Ids name the sections from one page to the next, so each stands there once, and what refers to
// one finds it.
func TestIDsAreUnique(t *testing.T) {
	t.Parallel()
	ids, refers := map[string]bool{}, []string{}
	for _, node := range all(t, string(render(someDocument()))) {
		if id := attr(node, "id"); id != "" && ids[id] {
			t.Errorf("id %q stands twice", id)
		} else {
			ids[id] = true
		}
		if to := attr(node, "aria-labelledby"); to != "" {
			refers = append(refers, to)
		}
		if attr(node, "data-live") == "" && node.Data == "section" && attr(node, "id") == "" {
			t.Error("a section without an id is never brought up to date")
		}
	}
	for _, to := range refers {
		if !ids[to] {
			t.Errorf("nothing has the id %q", to)
		}
	}
	if len(refers) < 4 {
		t.Errorf("only %q are labelled", refers)
	}
}

// A storm of readers is one page, and one at a time.
func TestAPageServesEveryone(t *testing.T) {
	t.Parallel()
	var made, under atomic.Int32
	release := make(chan struct{})
	h := &handler{make: func(ctx context.Context) *Document {
		made.Add(1)
		if under.Add(1) != 1 {
			t.Error("two pages are made at once")
		}
		defer under.Add(-1)
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("made for as long as it likes")
		}
		<-release
		return someDocument()
	}, now: time.Now}
	done := make(chan int)
	for range 50 {
		go func() { done <- get(t, h, http.MethodGet).Body.Len() }()
	}
	close(release)
	for range 50 {
		if n := <-done; n == 0 {
			t.Error("an empty page")
		}
	}
	if made.Load() > 10 { // 50 readers may take longer than a second on a busy machine
		t.Errorf("made %d times for 50 readers", made.Load())
	}
}

func TestAPageIsMadeAnewAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		h := Handler(func(context.Context) *Document { made++; return someDocument() }, time.Now)
		for _, want := range []int{1, 1, 2} {
			get(t, h, http.MethodHead)
			if made != want {
				t.Errorf("made %d times, want %d", made, want)
			}
			<-time.After(fresh/2 + time.Millisecond)
		}
	})
}

func TestWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2019, 3, 15, 11, 30, 15, 0, time.UTC)
	for got, want := range map[string]string{
		Span(-time.Second): "0 s", Span(1999 * time.Millisecond): "1 s", Span(119 * time.Second): "119 s", Span(2 * time.Minute): "2 min",
		Span(2*time.Hour + 5*time.Minute): "2 h 5 min", Span(72 * time.Hour): "3 d",
		Milliseconds(0): "0 ms", Milliseconds(0.04): "0.0 ms", Milliseconds(4.25): "4.2 ms", Milliseconds(412.4): "412 ms",
		Milliseconds(31_000): "31.0 s", Milliseconds(1_800_000): "30 min",
		Number(0): "0", Number(999): "999", Number(1000): "1,000", Number(-1234567): "-1,234,567", Count(1, "job", "jobs"): "1 job", Count(2000, "job", "jobs"): "2,000 jobs",
		Clock(now, now): "11:30:15", Clock(now, now.Add(24*time.Hour)): "2019-03-15 11:30:15",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// bars makes bars of so many milliseconds.
func bars(ms ...float64) (list []Bar) {
	for _, one := range ms {
		list = append(list, Bar{MS: []float64{one / 2, one / 2}, At: time.Unix(0, 0)})
	}
	return list
}

// The scale is that of what is usual: an outage does not press everything else to the ground.
func TestScaleOfAPlot(t *testing.T) {
	t.Parallel()
	usual := make([]float64, 100)
	for i := range usual {
		usual[i] = float64(20 + i%20)
	}
	for name, tt := range map[string]struct {
		bars []Bar
		top  float64
		cut  int
	}{
		"one":                {bars(31), 40, 0},
		"nothing took time":  {bars(0, 0), 1, 0},
		"all alike":          {bars(usual...), 40, 0},
		"some outliers":      {bars(append(usual, 30_000, 30_000)...), 100, 2},
		"a bit longer":       {bars(append(usual, 150)...), 200, 0},
		"long is what is so": {bars(30_000, 30_000, 30_000, 20), 40_000, 0},
	} {
		if top, cut := (&Plot{Bars: tt.bars}).scale(); top != tt.top || cut != tt.cut {
			t.Errorf("%s: up to %v with %d cut off, want %v and %d", name, top, cut, tt.top, tt.cut)
		}
	}
}

// Each bar has its parts and stays within the drawing; what failed stands in the lane, and all of
// it is said in words.
func TestPlot(t *testing.T) {
	t.Parallel()
	p := &Plot{What: "beats", Phases: []string{"pack", "rpc"}, Bars: bars(append([]float64{10, 20, 30}, slices.Repeat([]float64{8}, 97)...)...)}
	p.Bars[1].Failed = true
	p.Bars[2].MS = []float64{0, 9000}
	body := string(render(&Document{Name: "x", About: All{}, Footer: All{}, Sections: []Section{{ID: "p", Body: p.Draw("plot", time.Unix(5, 0))}}}))
	classes := map[string]int{}
	for _, node := range all(t, body) {
		if node.Data != "rect" {
			continue
		}
		classes[attr(node, "class")]++
		var x, y, high float64
		_, err := fmt.Sscan(attr(node, "y")+" "+attr(node, "height"), &y, &high)
		if attr(node, "x") != "" && (err != nil || y < 0 || y+high > plotWhole) {
			t.Errorf("a bar from %v, %v high: %v", y, high, err)
		}
		if _, _ = fmt.Sscan(attr(node, "x"), &x); x > plotWidth-barWidth {
			t.Errorf("a bar at %v of %d", x, plotWidth)
		}
	}
	if classes["failed"] != 1 || classes["fine"] != 99 || classes["p0"] != 99 || classes["p1"] != 100 || classes["gap"] != 2 {
		t.Errorf("drawn: %v", classes)
	}
	if want := "100 beats since 00:00:00 UTC: 99 ok, 1 failed; the median took 8.0 ms, the longest 9.0 s. One bar is cut off at the top: longer than 20 ms."; !strings.Contains(body, want) {
		t.Errorf("the page lacks %q", want)
	}
}
