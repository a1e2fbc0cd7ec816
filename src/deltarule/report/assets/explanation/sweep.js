// Stepping: forward one operation at a time, then backward one at a time, in all views at once.

// What happens one after the other: {kind: "start" | "forward" | "seed" | "backward", step}.
let sweep = [];
// Value -> place in the sweep at which its number is there; likewise of its gradient.
let valueAt = new Map();
let gradientAt = new Map();

function planSweep() {
  const back = [...frontier].reverse().filter((step) => step.outputs.some((id) => values.get(id).gradient));
  sweep = [{ kind: "start", step: null }, ...frontier.map((step) => ({ kind: "forward", step })), { kind: "seed", step: null }, ...back.map((step) => ({ kind: "backward", step }))];
  valueAt = new Map();
  gradientAt = new Map([[data.loss, frontier.length + 1]]);
  sweep.forEach(({ kind, step }, place) => {
    if (kind === "forward") step.outputs.forEach((id) => valueAt.set(id, place));
    if (kind === "backward") step.inputs.forEach((id) => gradientAt.set(id, place));
  });
}
planSweep();

const isThere = (value) => state.position === null || (valueAt.get(value) ?? 0) <= state.position;
const isBack = (value) => state.position === null || (gradientAt.get(value) ?? Infinity) <= state.position;

function buildSweep(bar) {
  const button = (key, act, extra = {}) => make("button", { type: "button", title: word(key), "aria-label": word(key), on: { click: act }, ...extra }, icon(key));
  const play = button("play", () => (timer ? stop() : start()), { class: "play" });
  const slider = make("input", { type: "range", min: 0, max: sweep.length - 1, value: sweep.length - 1, "aria-label": word("place"), on: { input: () => go(Number(slider.value)) } });
  const speed = make("select", { "aria-label": word("speed"), on: { change: () => { if (timer) { stop(); start(); } } } },
    ...[[0.5, "½×"], [1, "1×"], [2, "2×"], [5, "5×"]].map(([value, text]) => make("option", { value, selected: value === 1 }, text)));
  const place = make("span", { class: "place" });
  const arithmetic = make("div", { class: "now-arithmetic", tabindex: 0, role: "group", "aria-label": word("arithmetic") });
  const heard = make("p", { class: "heard", "aria-live": "polite", role: "status" });
  bar.append(make("div", { class: "controls", role: "group", "aria-label": word("stepping") },
    button("first", () => go(0)), button("previous", () => by(-1)), play, button("next", () => by(1)), button("last", () => go(sweep.length - 1)),
    make("span", { class: "spacer" }), speed, button("help", () => showKeys()), make("div", { class: "track" }, slider, place)), arithmetic, heard);
  let timer = null;

  function start() {
    if (state.position === null || state.position >= sweep.length - 1) go(0);
    play.replaceChildren(icon("pause"));
    play.setAttribute("aria-label", word("pause"));
    timer = setInterval(() => {
      if (state.position >= sweep.length - 1) stop();
      else go(state.position + 1, true);
    }, 1600 / Number(speed.value));
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.replaceChildren(icon("play"));
    play.setAttribute("aria-label", word("play"));
  }

  function by(count) {
    stop();
    // Before the first step everything is shown: forwards begins at the start, backwards at the end.
    if (state.position === null) return go(count > 0 ? 0 : sweep.length - 1);
    go(state.position + count);
  }

  function go(position, playing = false) {
    if (!playing) stop();
    state.position = Math.max(0, Math.min(sweep.length - 1, position));
    if (state.pinned && !state.element) { state.pinned = null; tell("pinned", null); }
    show();
    const now = sweep[state.position];
    tell("stepped", now);
    lightUp();
    const node = now.step ? elementsFor("graph", `s${now.step.id}`)[0] : now.kind === "seed" ? elementsFor("graph", `v${data.loss}`).at(-1) : null;
    if (node) tell("reveal-in-graph", node);
  }

  function show() {
    slider.max = sweep.length - 1;
    slider.value = state.position ?? sweep.length - 1;
    const { kind, step } = state.position === null ? { kind: "all", step: null } : sweep[state.position];
    const name = step ? (step.layer ? `${step.title} · ${step.layer}` : step.title) : "";
    const total = { forward: frontier.length, backward: sweep.length - frontier.length - 2 }[kind];
    const count = { forward: state.position, backward: state.position - frontier.length - 1 }[kind];
    place.textContent = word(`at_${kind}`, { count, total });
    slider.setAttribute("aria-valuetext", `${place.textContent} ${name}`);
    const parts = step ? arithmeticOf(step, kind) : kind === "seed" ? [seedPart()] : [];
    const title = make("p", { class: "now-title" }, step ? make("b", {}, name) : word(`explain_${kind}`, { count: frontier.length }));
    arithmetic.replaceChildren(title, ...parts.slice(0, 6).map((part) => mathLine(part.math)));
    foldInside(arithmetic);
    if (step && !parts.length) title.append(` – ${word("no_arithmetic")}`);
    unlinkAll("bar");
    linkInside("bar", arithmetic);
    heard.textContent = `${place.textContent}. ${name}. ${parts.slice(0, 6).map((part) => part.text).join("; ")}`;
    document.getElementById("explanation").dataset.phase = kind;
  }

  function seedPart() {
    const loss = values.get(data.loss);
    const index = leadingElement(loss);
    const left = symbolPiece(loss, true, index.map(constantPiece));
    const right = numberPiece(elementAt(loss.gradient, index), { grad: true, ref: `g${loss.id}` });
    return statement([left, right]);
  }

  // Numbers that are not there yet, or not back yet, are hidden in the graph and the table.
  function mark() {
    const now = state.position === null ? null : sweep[state.position];
    for (const { element, value, share } of graphView.labels) {
      if (share) element.classList.toggle("future", state.position !== null && !isPast(share.step));
      else {
        element.classList.toggle("no-value", !isThere(value.id));
        element.classList.toggle("no-gradient", !isBack(value.id));
      }
    }
    for (const row of document.querySelectorAll("table.values tbody tr")) {
      row.classList.toggle("no-value", !isThere(row.value.id));
      row.classList.toggle("no-gradient", !isBack(row.value.id));
    }
    for (const each of document.querySelectorAll(".node.now, .container.now")) each.classList.remove("now", "forward", "backward");
    if (now?.step) for (const each of elementsFor("graph", `s${now.step.id}`)) each.classList.add("now", now.kind);
  }

  const isPast = (step) => sweep.findIndex((each) => each.kind === "backward" && each.step.id === step) <= state.position;

  when("stepped", mark);
  when("drawn", mark);
  when("opened", () => {
    const before = state.position === null ? null : sweep[state.position];
    planSweep();
    if (before) {
      const same = sweep.findIndex((each) => each.kind === before.kind && (!before.step || each.step.id === before.step.id || isInside(each.step, before.step)));
      state.position = same >= 0 ? same : sweep.findIndex((each) => each.kind === before.kind && each.step?.id === shownStep(before.step).id);
      if (state.position < 0) state.position = 0;
    }
    show();
    tell("stepped", state.position === null ? null : sweep[state.position]);
  });
  const isInside = (step, group) => {
    for (let each = step; each; each = steps.get(each.parent)) if (each.id === group.id) return true;
    return false;
  };
  when("pinned", () => { if (state.element && state.position !== null) show(); });
  show();
  return { by, go, stop, toggle: () => play.click() };
}
