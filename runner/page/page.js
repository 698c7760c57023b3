// Brings the page up to date. What its reader has opened, scrolled, selected or focused stays as it
// is. Without this script the browser loads the page again now and then.
(() => {
  "use strict";
  const every = 5000, byId = id => document.getElementById(id);
  const shown = new Map(), update = byId("update"), pause = byId("pause"), stale = byId("stale");
  const live = root => root.querySelectorAll("[data-live]");
  const clock = () => new Date().toISOString().slice(11, 19) + " UTC";
  let paused = false, at = clock();
  for (const part of live(document)) shown.set(part.id, part.innerHTML);

  function put(now) {
    const old = byId(now.id), text = now.innerHTML, selection = getSelection();
    if (!old || shown.get(now.id) === text) return;
    if (!selection.isCollapsed && old.contains(selection.anchorNode)) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...old.querySelectorAll("details[id][open]")].map(one => one.id);
    const scrolled = [...old.querySelectorAll("[tabindex][id]")].map(one => [one.id, one.scrollTop, one.scrollLeft]);
    old.replaceChildren(...[...now.childNodes].map(one => document.importNode(one, true)));
    shown.set(now.id, text);
    for (const id of open) byId(id)?.setAttribute("open", "");
    for (const [id, top, left] of scrolled) byId(id)?.scrollTo({top, left, behavior: "instant"});
    if (focused) byId(focused)?.focus({preventScroll: true});
  }

  async function refresh() {
    if (paused || document.hidden) return;
    try {
      const answer = await fetch(location.href, {cache: "no-store", signal: AbortSignal.timeout(4 * every)});
      if (!answer.ok) throw new Error("HTTP " + answer.status);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (paused) return;
      live(next).forEach(put);
      document.title = next.title;
      byId("icon").href = next.getElementById("icon").href;
      if (document.body.dataset.state !== next.body.dataset.state) {
        document.body.dataset.state = next.body.dataset.state;
        byId("announce").textContent = byId("state").querySelector(".sentence").textContent;
      }
      at = clock();
      stale.hidden = true;
      tell();
    } catch {
      stale.textContent = "This page is from " + at + ": nothing answers here any more. Is the program running?";
      stale.hidden = false;
    }
  }

  const tell = () => { update.textContent = paused ? "As of " + at + ". " : "Updated " + at + ", every " + every / 1000 + " s. "; };
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    tell();
    refresh();
  });
  document.addEventListener("visibilitychange", refresh);
  pause.hidden = false;
  tell();
  (function again() { setTimeout(async () => { await refresh(); again(); }, every); })();
})();
