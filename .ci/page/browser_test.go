package page

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a tab, and what went wrong in it.
type browser struct {
	t   *testing.T
	ctx context.Context
	axe string

	mu        sync.Mutex
	wrong     []string
	loads     int
	forgiving bool // the server is meant to be away
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("disable-gpu", true))
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			options = append(options, chromedp.ExecPath(path))
			break
		}
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox does not run as root
	}
	temporary, err := os.MkdirTemp("", "page-") // what a browser leaves behind goes with it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		until(t, "the browser's files to go", func() bool { return os.RemoveAll(temporary) == nil })
	})
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(options, chromedp.Env("TMPDIR="+temporary))...)
	t.Cleanup(cancel)
	rules, err := os.ReadFile(filepath.Join("..", "..", "bin", "page", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, axe: string(rules)}
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.hear))
	t.Cleanup(func() {
		if err := chromedp.Cancel(b.ctx); err != nil {
			t.Error(err)
		}
		cancel()
	})
	return b
}

// hear notes what must not happen: an error, something that the policy forbids, a request to
// somewhere else, a dialog.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if !b.forgiving {
			b.wrong = append(b.wrong, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *cdppage.EventJavascriptDialogOpening:
		b.wrong = append(b.wrong, "a dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, "http://127.0.0.1:") && !strings.HasPrefix(url, "data:") {
			b.wrong = append(b.wrong, "a request to "+url)
		}
	case *cdppage.EventFrameNavigated:
		b.loads++
	}
}

func (b *browser) does(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// asks evaluates an expression in the page.
func asks[T any](b *browser, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// says runs statements in the page.
func (b *browser) says(statements string) {
	b.t.Helper()
	_ = asks[bool](b, "(() => {"+statements+"; return true})()")
}

// sends sends a command of the protocol.
func sends[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	b.does(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, command, params)
		return err
	}))
}

func (b *browser) looks(width int, scheme string) {
	b.t.Helper()
	sends(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: int64(width), Height: 800, DeviceScaleFactor: 1, Mobile: width < 500})
	sends(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// violation is what axe-core says.
type violation struct {
	ID    string
	Nodes []struct{ HTML, FailureSummary string }
}

// audit looks at a page wide and narrow, light and dark, with everything opened: no rule of
// accessibility is broken, nothing is wider than the screen, and nothing went wrong.
func (b *browser) audit(name, at string) {
	b.t.Helper()
	for _, width := range []int{1200, 360} {
		for _, scheme := range []string{"light", "dark"} {
			what := fmt.Sprintf("%s-%s-%d", name, scheme, width)
			b.looks(width, scheme)
			b.does(chromedp.Navigate(at))
			b.picture(what, false)
			b.says(`for (const one of document.querySelectorAll("details")) one.open = true`)
			if wide := asks[int](b, "document.documentElement.scrollWidth"); wide > width {
				b.t.Errorf("%s: %d pixels wide", what, wide)
			}
			b.says(b.axe)
			for _, v := range asks[[]violation](b, `axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations)`) {
				text, _ := json.MarshalIndent(v, "", " ")
				b.t.Errorf("%s: %.1500s", what, text)
			}
		}
	}
	if title := asks[string](b, "document.title"); strings.Contains(title, "owned") {
		b.t.Errorf("%s: a foreign script has run", name)
	}
	b.fine(name)
}

// fine fails the test when something went wrong since the last time.
func (b *browser) fine(name string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, what := range b.wrong {
		b.t.Errorf("%s: %s", name, what)
	}
	b.wrong = nil
}

// picture keeps a picture of the page, to look at.
func (b *browser) picture(name string, small bool) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("..", "..", "bin", "page", name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
	if small {
		b.t.Logf("the picture has %d bytes", len(png))
	}
}

// forgive says whether a server is meant to be away, which the browser's log is full of.
func (b *browser) forgive(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgiving = away
}

func (b *browser) until(what, expression string) {
	b.t.Helper()
	until(b.t, what, func() bool { return asks[bool](b, expression) })
}
