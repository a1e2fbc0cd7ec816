// The page: its four views side by side, in tabs, or one below the other; keys; print.

const root = document.getElementById("explanation");
root.replaceChildren();

function view(name) {
  const pane = make("div", { class: "pane", id: `view-${name}` });
  const section = make("section", { class: `view of-${name}`, "aria-labelledby": `title-${name}` },
    make("h2", { id: `title-${name}` }, word(name)), make("div", { class: "scrolls", tabindex: name === "graph" ? null : -1 }, pane));
  return { name, pane, section };
}

const views = ["graph", "formulas", "numbers", "code"].map(view);
const bar = make("div", { class: "sweep", role: "region", "aria-label": word("stepping") });
const tabs = make("div", { class: "tabs", role: "group", "aria-label": word("views") },
  ...views.slice(1).map(({ name, section }) => make("button", { type: "button", "aria-pressed": "false", "data-view": name, on: { click: () => showTab(name) } }, word(name))));
const panes = make("div", { class: "views" }, ...views.map(({ section }) => section));
root.append(bar, tabs, panes);

function showTab(name) {
  root.dataset.tab = name;
  for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.view === name));
}
showTab("formulas");

const paneOf = Object.fromEntries(views.map(({ name, pane }) => [name, pane]));
buildGraph(paneOf.graph);
buildFormulas(paneOf.formulas);
buildNumbers(paneOf.numbers);
buildCode(paneOf.code);
const sweeping = buildSweep(bar);
listenTo(bar, "bar");
// When the page was complete, in milliseconds.
root.dataset.ready = Math.round(performance.now());

// ---- keys

const KEYS = [["→", "next"], ["←", "previous"], ["Home", "first"], ["End", "last"], ["p", "play"], ["Enter", "key_open"], ["Space", "key_choose"], ["↑ ↓", "key_rows"], ["Esc", "clear"], ["?", "help"]];
const help = make("dialog", { "aria-labelledby": "keys-title" }, make("h2", { id: "keys-title" }, word("keys")),
  make("dl", {}, ...KEYS.flatMap(([key, name]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, word(name))])),
  make("form", { method: "dialog" }, make("button", {}, word("close"))));
root.append(help);
function showKeys() {
  if (help.open) help.close();
  else help.showModal();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!(event.target instanceof Element)) return;
  const typing = event.target.closest("input:not([type=radio]), select, textarea, dialog");
  if (event.key === "Escape" && !help.open) return pin(null);
  if (typing || event.target.closest("input[type=radio]") && event.key.startsWith("Arrow")) return;
  const act = { ArrowRight: () => sweeping.by(1), ArrowLeft: () => sweeping.by(-1), Home: () => sweeping.go(0), End: () => sweeping.go(sweep.length - 1), p: sweeping.toggle, "?": showKeys }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

addEventListener("beforeprint", () => {
  tell("print");
  for (const each of root.querySelectorAll("details")) each.open = true;
});
