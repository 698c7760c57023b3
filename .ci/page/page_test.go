package page

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestPageOfAShard(t *testing.T) {
	m, url := newMaster(t)
	cmd, at := client(t, databases(t, "shard1")[0], url, "--heartbeat-pause", "1s")
	b := newBrowser(t)
	b.looks(1200, "light")
	b.does(chromedp.Navigate(at))
	state := func(want string) { t.Helper(); b.until("state "+want, `document.body.dataset.state === "`+want+`"`) }

	// The page brings itself up to date: nobody loads it again from here on but audit.
	state("good")
	b.audit("good", at)
	t.Run("keyboard", func(t *testing.T) { b.keyboard(t) })
	m.refuses(hostile)
	state("bad")
	b.until("the announcement", `document.getElementById("announce").textContent.includes("failed")`)
	if text := asks[string](b, `document.querySelector(".quote").textContent`); !strings.Contains(text, "<script>document.title") {
		t.Errorf("the error is shown as %q", text)
	}
	b.audit("failed", at)
	m.answers(badJob(1), badJob(2))
	state("warning")
	b.until("two cards", `document.querySelectorAll(".cards li").length === 2`)
	b.audit("quarantine", at)

	b.withoutScript(at)
	b.does(chromedp.Navigate(at))
	b.forgive(true)
	end(cmd)
	b.until("the page to say that nothing answers", `!document.getElementById("stale").hidden`)
	b.picture("stale", false)
}

func end(cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGTERM) }

// keyboard walks through the page by keys alone, and sees that updates leave everything as it is.
func (b *browser) keyboard(t *testing.T) {
	b.looks(1200, "light")
	b.does(chromedp.Reload())
	var met []string
	for range 7 {
		b.does(chromedp.KeyEvent(kb.Tab))
		met = append(met, asks[string](b, `document.activeElement.id || document.activeElement.getAttribute("href") || document.activeElement.tagName`))
	}
	if want := []string{"table-summary", "all-settings-summary", "/metrics", "/healthz", "/readyz", "pause"}; !slices.Equal(met[:6], want) {
		t.Errorf("Tab goes to %q, want %q", met, want)
	}
	b.says(`document.getElementById("table-summary").focus()`)
	if outline := asks[string](b, `getComputedStyle(document.activeElement).outlineStyle`); outline != "solid" {
		t.Errorf("what has the focus has an outline of %q", outline)
	}
	b.does(chromedp.KeyEvent(kb.Enter))
	b.until("the table", `document.getElementById("table").open`)
	before := asks[string](b, `document.getElementById("plot-says").textContent + document.querySelector("tbody th").textContent`)
	b.says(`document.getElementById("table-scrolls").scrollTop = 40; scrollTo({top: 150, behavior: "instant"})`)
	table, window := asks[float64](b, `document.getElementById("table-scrolls").scrollTop`), asks[float64](b, "scrollY")
	if window == 0 {
		t.Error("the page cannot be scrolled, so nothing is tested")
	}
	b.until("an update", `document.getElementById("plot-says").textContent + document.querySelector("tbody th").textContent !== `+strconv.Quote(before))
	for what, expression := range map[string]string{
		"the table is closed":      `document.getElementById("table").open`,
		"the focus is elsewhere":   `document.activeElement.id === "table-summary"`,
		"the table has scrolled":   `document.getElementById("table-scrolls").scrollTop === ` + fmt.Sprint(table),
		"the page has scrolled":    "scrollY === " + fmt.Sprint(window),
		"the announcement is made": `document.getElementById("announce").textContent === ""`,
	} {
		if !asks[bool](b, expression) {
			t.Errorf("after an update, %s", what)
		}
	}
	b.says(`document.getElementById("pause").focus()`)
	b.does(chromedp.KeyEvent(kb.Enter))
	b.until("the pause", `document.getElementById("pause").getAttribute("aria-pressed") === "true"`)
	b.does(chromedp.KeyEvent(kb.Enter))
	b.until("the end of the pause", `document.getElementById("pause").getAttribute("aria-pressed") === "false"`)
}

// withoutScript sees that the page is whole without its script, and that the browser loads it again
// by itself.
func (b *browser) withoutScript(at string) {
	b.t.Helper()
	sends(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.does(chromedp.Navigate(at))
	sentence, err := chromedp.Run(b.ctx, chromedp.TextContent(".sentence"))
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(sentence, "set aside") {
		b.t.Errorf("without script: %q", sentence)
	}
	loads := func() int { b.mu.Lock(); defer b.mu.Unlock(); return b.loads }
	before := loads()
	until(b.t, "the browser to load the page again", func() bool { return loads() > before })
	sends(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	b.fine("without script")
}

// A real client against the lab's master, with jobs and an outage: the picture of the README, and
// the page of the master.
func TestPagesOfALab(t *testing.T) {
	urls := databases(t, "master", "shard1")
	lab(t, urls[0], "label", "add", "board:eve")
	lab(t, urls[0], "shard", "add", shard, "--label", "board:eve")
	lab(t, urls[0], "label", "add", "board:kip")
	lab(t, urls[0], "shard", "add", "shard2.example", "--label", "board:kip")
	hosts := []string{"host", "add", "--label", "board:eve"}
	for i := range 24 {
		hosts = append(hosts, "host"+strconv.Itoa(i+1))
	}
	lab(t, urls[0], hosts...)
	listen := address(t)
	serve := func() *exec.Cmd {
		cmd, _ := start(t, []string{"SHARD_LAB_DATABASE_URL=" + urls[0]}, 1, "shard-lab", "master", "--listen", listen)
		return cmd
	}
	cmd := serve()
	start(t, []string{"SHARD_LAB_DATABASE_URL=" + urls[1]}, 0, "shard-lab", "scheduler")
	_, at := client(t, urls[1], "http://"+listen, "--heartbeat-pause", "800ms")
	b := newBrowser(t)
	b.looks(1200, "light")
	b.does(chromedp.Navigate("http://" + listen + "/"))
	b.until("a silent shard", `document.querySelector(".sentence").textContent.includes("shard2.example")`)
	b.forgive(true) // while the master is away, it is asked in vain
	random := rand.New(rand.NewPCG(1, 2))
	for turn := 0; beats(at) < 120; turn++ {
		if turn == 24 {
			end(cmd)
			_ = cmd.Wait()
			until(t, "failures", func() bool { return strings.Contains(page(at), "beats in a row failed") })
			cmd = serve()
		}
		lab(t, urls[0], "job", "create", "--suite", "bvt"+strconv.Itoa(turn), "--children", strconv.Itoa(1+random.IntN(7)),
			"--label", "board:eve", "--meta-host", "board:eve")
		shown := beats(at)
		until(t, "more beats", func() bool { return beats(at) >= min(shown+3, 120) })
	}
	b.does(chromedp.Navigate(at))
	b.forgive(false)
	b.until("120 beats", `/^120 beats/.test(document.getElementById("plot-says").textContent) && document.body.dataset.state === "good"`)
	b.looks(1000, "light")
	b.picture("status-page", true)
	b.audit("lab", at)
	b.audit("master", "http://"+listen+"/")
	b.forgive(true)
}

// beats is how many beats the page shows.
func beats(at string) (n int) {
	if says := regexp.MustCompile(`>(\d+) beats? since`).FindStringSubmatch(page(at)); says != nil {
		n, _ = strconv.Atoi(says[1])
	}
	return n
}
