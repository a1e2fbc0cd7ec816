// The formulas: forward, the error terms from the last layer back, the gradients; each with its error beside it.

// Reference of a value -> the first formula that reads it.
const readers = new Map();

// Rows are filled when they come near the window: thousands of formulas cost nothing until one reads them.
function lazily(pane, fill) {
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) observer.unobserve(entry.target);
    }
    fill(entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target));
  }, { root: pane.closest(".scrolls"), rootMargin: "600px" });
  return observer;
}

// Up to here a difference from the engine is rounding: in float32 over many steps it adds up.
const ROUNDING = data.values.some((value) => value.array.dtype === "float32") ? 1e-3 : 1e-6;

function buildFormulas(pane) {
  const choice = (form) => make("label", {},
    make("input", { type: "radio", name: "form", value: form, checked: state.form === form, on: { change: () => { state.form = form; render(); } } }),
    word(`form_${form}`));
  const forms = make("fieldset", { class: "forms" }, make("legend", { class: "heard" }, word("form")), choice("index"), choice("matrix"));
  const body = make("div", { class: "equations" });
  const bench = make("div", { class: "bench", "aria-hidden": "true" });
  const waiting = new Map();
  const legendRows = [];
  const observer = lazily(pane, fill);
  const beginRoving = rove("formulas", pane, ".equation, .legend tr[data-ref]");
  pane.append(make("div", { class: "bar" }, forms, checkedNote()), body, symbols(), bench);

  function checkedNote() {
    const errors = data.equations.map((equation) => number(equation.error)).filter((error) => error !== null && error !== undefined);
    if (!errors.length) return null;
    const worst = errors.reduce((a, b) => (b > a || Number.isNaN(b) ? b : a), 0);
    return make("p", { class: `note checked ${worst < ROUNDING ? "good" : "bad"}` }, word("all_checked", { count: errors.length, error: figure(worst) }));
  }

  function render() {
    unlinkAll("formulas");
    observer.disconnect();
    waiting.clear();
    readers.clear();
    const seen = new Set();
    const rowsOf = (step, numbers) => numbers.filter((id) => equations.has(id) && !seen.has(id) && seen.add(id)).map((id) => row(equations.get(id), step));
    const forward = frontier.flatMap((step) => rowsOf(step, step.forward));
    const backward = [...frontier].reverse().flatMap((step) => rowsOf(step, step.backward));
    body.replaceChildren(
      make("h3", {}, word("forward")), ...forward,
      make("h3", {}, word("backward")), make("p", { class: "note" }, word("backward_note")), ...backward);
    // After the formulas: these are what the view scrolls to.
    linkLegend();
    for (const each of waiting.keys()) observer.observe(each);
    beginRoving();
    lightUp();
  }

  function row(equation, step) {
    const refs = [...(stepsOfEquation.get(equation.id) ?? [])].map((id) => `s${id}`);
    if (equation.defines !== null) refs.push(`${equation.kind === "forward" ? "v" : "g"}${equation.defines}`);
    const kind = equation.kind === "forward" ? step.title : word(`kind_${equation.kind}`);
    const element = make("div", { class: `equation ${equation.kind}`, "data-ref": `s${step.id}`, "data-equation": equation.id, role: "group", "aria-label": kind, tabindex: -1 },
      make("span", { class: "kind" }, ...breakable(kind)), make("div", { class: "math" }), badge(equation));
    link("formulas", element, ...refs);
    // A leaf has no formula of its own: the first one that reads it.
    for (const id of equation.reads) if (!readers.has(`v${id}`)) readers.set(`v${id}`, element);
    waiting.set(element, equation);
    return element;
  }

  // Sets the formulas of rows: first all is measured, then broken on the bench, then put in its place, as each
  // change between two measures would have thousands of rows laid out again.
  function fill(rows) {
    const fresh = rows.filter((row) => waiting.has(row)).map((row) => ({ row, holder: row.querySelector(".math") }));
    for (const each of fresh) each.room = each.holder.clientWidth;
    for (const each of fresh) {
      const equation = waiting.get(each.row);
      each.formulas = foldedOn(bench, equation[state.form] ?? equation.index, each.room);
      waiting.delete(each.row);
    }
    for (const { holder, formulas } of fresh) {
      holder.replaceChildren(formulas);
      linkInside("formulas", holder);
    }
    if (fresh.length && (state.pinned || state.pointed)) lightUp();
  }

  function badge(equation) {
    const error = number(equation.error);
    if (error === null || error === undefined) return null;
    return make("span", { class: `badge ${error < ROUNDING ? "good" : "bad"}`, title: word("error_title") }, `${error < ROUNDING ? "✓" : "✗"} ${figure(error)}`);
  }

  // ---- legend of symbols

  function symbols() {
    const rows = data.legend.map((entry) => {
      const row = make("tr", entry.ref ? { "data-ref": entry.ref, tabindex: -1 } : {}, make("th", { scope: "row" }, formula(entry.math)), make("td", {}, entry.meaning),
        make("td", { class: "shape" }, entry.shape), make("td", { class: "code" }, entry.label));
      if (entry.ref) legendRows.push([row, entry.ref]);
      return row;
    });
    const head = make("tr", {}, ...["symbol", "meaning", "shape", "name"].map((key) => make("th", { scope: "col" }, word(key))));
    return make("details", { class: "legend", open: rows.length <= 16 }, make("summary", {}, word("legend", { count: rows.length })),
      make("div", { class: "wide" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))));
  }
  function linkLegend() {
    for (const [row, ref] of legendRows) link("formulas", row, ref);
  }

  // Lines are broken for one width.
  let width = pane.clientWidth;
  new ResizeObserver(() => {
    if (!pane.clientWidth || Math.abs(pane.clientWidth - width) < 2) return;
    width = pane.clientWidth;
    const scrolls = pane.closest(".scrolls"), { scrollTop } = scrolls;
    render();
    scrolls.scrollTop = scrollTop;
  }).observe(pane);

  when("opened", render);
  when("print", () => fill([...waiting.keys()]));
  when("stepped", (now) => {
    for (const each of body.querySelectorAll(".equation.now")) each.classList.remove("now");
    if (!now?.step) return;
    const kinds = now.kind === "forward" ? now.step.forward : now.step.backward;
    const rows = kinds.map((id) => body.querySelector(`[data-equation="${id}"]`)).filter(Boolean);
    fill(rows);
    for (const row of rows) row.classList.add("now");
    if (rows.length) scrollInto(rows[0]);
  });
  listenTo(pane, "formulas");
  render();
}

// Scrolls the pane of an element, never the page, until it can be seen.
function scrollInto(element) {
  const pane = element.closest(".scrolls");
  if (!pane) return;
  const [place, frame] = [element.getBoundingClientRect(), pane.getBoundingClientRect()];
  if (place.top < frame.top + 30 || place.bottom > frame.bottom - 10) pane.scrollTop += place.top - frame.top - frame.height / 3;
}
