// The numbers: of what is chosen in detail, of everything else in a table.

function symbolLink(value, grad = false) {
  const ref = `${grad ? "g" : "v"}${value.id}`;
  const element = make("button", { type: "button", class: `symbol ${grad ? "of-gradient" : "of-value"}`, "data-ref": ref, on: { click: () => pin(ref, null) } });
  element.innerHTML = grad ? gradientMath(value) : value.math;
  return element;
}

function stepLink(step) {
  return make("button", { type: "button", class: "symbol step-link", "data-ref": `s${step.id}`, on: { click: () => pin(`s${step.id}`, null) } },
    step.layer ? `${step.title} · ${step.layer}` : step.title);
}

// The element whose arithmetic is written when nobody has chosen one: the one with the largest gradient.
function leadingElement(value, array = null) {
  const chosen = state.element;
  if (chosen && chosen.value === value.id) return chosen.index;
  return largestAt(array ?? value.gradient) ?? largestAt(value.array) ?? value.shape.map(() => 0);
}

// The lines of arithmetic in an element, none wider than what they are in.
function foldInside(element) {
  for (const line of element.querySelectorAll(".arithmetic")) {
    const { paddingLeft, paddingRight } = getComputedStyle(line.parentElement);
    const room = line.parentElement.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
    for (const math of line.children) fold(math, room);
  }
}

function mathLine(markup) {
  const line = formula(markup, { class: "arithmetic" });
  for (const each of line.querySelectorAll("[data-ref]")) each.classList.add("ref");
  return line;
}

function buildNumbers(pane) {
  const detail = make("div", { class: "detail" });
  const listing = make("div", { class: "listing" });
  pane.append(detail, listing);

  // ---- detail

  function showDetail(now = null) {
    unlinkAll("detail");
    const ref = state.pinned ?? (now?.step ? `s${now.step.id}` : null);
    let children = [];
    if (!ref) children = [make("p", { class: "note" }, word("choose_something"))];
    else if (ref[0] === "s") children = stepDetail(steps.get(Number(ref.slice(1))), now);
    else if (ref[0] === "b") children = boxDetail(boxes.get(Number(ref.slice(1))));
    else children = valueDetail(values.get(Number(ref.slice(1))));
    detail.replaceChildren(...children);
    foldInside(detail);
    linkInside("detail", detail);
    lightUp();
  }

  function heading(title, ...notes) {
    const close = state.pinned ? make("button", { type: "button", class: "close", "aria-label": word("clear"), title: word("clear"), on: { click: () => pin(null) } }, "×") : null;
    return make("div", { class: "heading" }, make("h3", {}, title), ...notes.filter(Boolean).map((note) => make("span", { class: "note" }, note)), close);
  }

  function valueDetail(value) {
    const parts = [heading(formula(value.math), value.meaning, value.label && make("span", { class: "code" }, value.label), shapeText(value.shape), value.array.dtype)];
    const from = [];
    if (value.madeBy !== null) from.push(word("made_by"), " ", stepLink(steps.get(value.madeBy)));
    const users = [...new Set(value.usedBy)].map((id) => steps.get(id)).filter((step) => frontierPlace.has(step.id));
    if (users.length) from.push(" ", word("used_by"), " ", ...users.slice(0, 6).map(stepLink), users.length > 6 ? word("more", { count: users.length - 6 }) : null);
    parts.push(make("p", { class: "note" }, ...from.filter(Boolean)));
    parts.push(make("div", { class: "pair" }, arrayBlock(value, false), arrayBlock(value, true)));
    if (value.shares?.length > 1) parts.push(sharesBlock(value));
    parts.push(elementBlock(value));
    return parts.filter(Boolean);
  }

  function arrayBlock(value, grad, named = false) {
    const array = grad ? value.gradient : value.array;
    const name = named ? formula(grad ? gradientMath(value) : value.math) : word(grad ? "gradient" : "value");
    const title = make("h4", { class: `block-title ${grad ? "of-gradient" : "of-value"}`, "data-ref": `${grad ? "g" : "v"}${value.id}` }, name);
    if (!array) return make("div", {}, title, make("p", { class: "note" }, word("no_gradient")));
    return make("div", { class: "array" }, title, shown(array, value, grad), statistics(array));
  }

  function shown(array, value, grad) {
    if (isSingle(array)) return make("p", { class: `single ${grad ? "of-gradient" : "of-value"}` }, figure(elements(array)?.[0]));
    const chosen = state.element?.value === value.id ? state.element.index : null;
    return pictureOf(array, { choose: (index) => chooseElement(value.id, grad, index), chosen, name: grad ? gradientPlain(value) : value.plain ?? value.name });
  }

  function sharesBlock(value) {
    const rows = value.shares.map((share) => {
      const step = steps.get(share.step);
      const bar = make("span", { class: "share-bar" }, make("span", {}));
      bar.firstChild.style.width = `${Math.max(number(share.share) * 100, 0.5)}%`;
      return make("tr", {}, make("th", { scope: "row" }, stepLink(step)), make("td", { class: "number of-gradient" }, share.array ? amount(share.array) : "–"),
        make("td", {}, bar), make("td", { class: "number" }, percent(share.share)));
    });
    const total = make("tr", { class: "total" }, make("th", { scope: "row" }, word("sum")), make("td", { class: "number of-gradient" }, amount(value.gradient)), make("td"), make("td"));
    return make("div", {}, make("h4", {}, word("contributions")), make("p", { class: "note" }, word("contributions_note")),
      make("div", { class: "wide" }, make("table", {}, make("tbody", {}, ...rows, total))));
  }

  // The scalar formula of one element, with its numbers, beside the engine's.
  function elementBlock(value) {
    const index = leadingElement(value);
    const lines = [];
    const defining = data.equations.filter((equation) => equation.defines === value.id);
    // Of the steps that are seen; of those inside of closed groups only where there are no others.
    const seen = defining.filter((equation) => [...stepsOfEquation.get(equation.id)].some((id) => frontierPlace.has(id)));
    const ofKind = (isForward) => {
      const own = (list) => list.filter((equation) => (equation.kind === "forward") === isForward);
      return own(seen).length ? own(seen) : own(defining);
    };
    const forward = ofKind(true);
    for (const equation of forward.slice(0, 1)) lines.push(comparison(equation, index, elementAt(value.array, index)));
    if (value.gradient) {
      const back = ofKind(false);
      for (const equation of back.slice(0, 8)) lines.push(comparison(equation, index, engineNumber(equation, value, index)));
    }
    const found = lines.filter(Boolean);
    if (!found.length) return null;
    const where = value.shape.length ? word("element", { index: index.join(", ") }) : word("arithmetic");
    const hint = value.shape.length && !(state.element?.value === value.id) ? make("p", { class: "note" }, word("element_hint")) : null;
    return make("div", { class: "element" }, make("h4", {}, where), hint, ...found);
  }

  // The engine's number for what an equation says: one use's contribution, or the whole gradient.
  function engineNumber(equation, value, index) {
    const own = stepsOfEquation.get(equation.id);
    const share = own.size === 1 && value.shares?.length > 1 ? value.shares.filter((each) => own.has(each.step)) : [];
    if (share.length !== 1) return elementAt(value.gradient, index);
    return share[0].array ? elementAt(share[0].array, index) : undefined;
  }

  function comparison(equation, index, engine) {
    const written = writtenOut(equation, index);
    if (!written) return equation.tree ? make("p", { class: "note" }, word("not_held")) : null;
    const line = mathLine(written.math);
    if (engine === undefined) return line;
    const difference = Math.abs(written.result - engine) / Math.max(Math.abs(engine), 1e-12);
    const good = !(difference > 1e-3 && Math.abs(written.result - engine) > 1e-5);
    return make("div", { class: "compared" }, line, make("p", { class: `note ${good ? "good" : "bad"}` }, `${good ? "✓" : "✗"} ${word("engine_says", { value: figure(engine) })}`));
  }

  function stepDetail(step, now) {
    const parts = [heading(step.title, step.layer && `${word("layer")} ${step.layer}`, step.operation === step.title ? null : step.operation)];
    const reads = [...new Set(step.inputs)].map((id) => symbolLink(values.get(id)));
    const gives = step.outputs.map((id) => symbolLink(values.get(id)));
    parts.push(make("p", { class: "note flow" }, ...reads, " → ", ...gives));
    // While one steps, what belongs to this direction; else both.
    const isSwept = !state.pinned && now?.step === step;
    const blocks = (ids, grad) => make("div", { class: "pair" }, ...ids.slice(0, 6).map((id) => arrayBlock(values.get(id), grad, ids.length > 1)));
    if (!isSwept || now.kind === "forward") {
      for (const part of arithmeticOf(step, "forward")) parts.push(mathLine(part.math));
      parts.push(blocks(step.outputs, false));
    }
    if (isSwept && now.kind === "forward") return parts;
    const back = arithmeticOf(step, "backward");
    if (back.length) parts.push(make("h4", { class: "of-gradient" }, word("backward")));
    for (const part of back) parts.push(mathLine(part.math));
    const receivers = [...new Set(step.inputs)].filter((id) => values.get(id).gradient);
    parts.push(productsBlock(step) ?? (receivers.length && blocks(receivers, true)));
    return parts.filter(Boolean);
  }

  // upstream × local = contribution, as arrays, for each input.
  function productsBlock(step) {
    const blocks = [];
    step.inputs.forEach((id, position) => {
      const contribution = step.contributions?.[position];
      if (!contribution || isSingle(contribution)) return;
      const value = values.get(id);
      const cell = (title, array) => array && make("div", { class: "array" }, make("h5", {}, title), pictureOf(array, { name: title }), statistics(array));
      const upstream = step.upstream?.find(Boolean), local = step.local?.[position];
      blocks.push(make("div", { class: "product" }, make("h4", {}, formula(gradientMath(value)), " ", value.label ? make("span", { class: "code" }, value.label) : ""),
        make("div", { class: "triple" }, cell(word("upstream"), upstream), local ? make("span", { class: "sign" }, "×") : null, cell(word("local"), local),
          make("span", { class: "sign" }, local ? "=" : "→"), cell(word("contribution"), contribution))));
    });
    return blocks.length ? make("details", { class: "products", open: blocks.length <= 2 }, make("summary", {}, word(step.local?.some(Boolean) ? "as_arrays" : "handed_back")), ...blocks) : null;
  }

  function boxDetail(box) {
    const own = data.steps.filter((step) => itemsAround(step).includes(`box:${box.id}`) && !childrenOf(step).length);
    const named = data.values.filter((value) => value.kind === "parameter" && value.usedBy.some((id) => itemsAround(steps.get(id)).includes(`box:${box.id}`)));
    return [heading(box.title, word("steps_inside", { count: own.length })), make("p", { class: "flow" }, ...named.slice(0, 12).map((value) => symbolLink(value)))];
  }

  // ---- everything

  const observer = lazily(pane, (rows) => rows.forEach((row) => row.fill()));
  function showListing() {
    unlinkAll("numbers");
    observer.disconnect();
    const seen = new Set();
    const ordered = [];
    for (const step of frontier) for (const id of [...step.inputs, ...step.outputs]) if (!seen.has(id) && seen.add(id)) ordered.push(values.get(id));
    const rows = ordered.map(rowOf);
    const head = make("tr", {}, ...["symbol", "name", "shape", "value", "gradient"].map((key) => make("th", { scope: "col", class: key }, word(key))));
    const parts = [make("h3", {}, word("all_values", { count: rows.length })), !isScalarGraph && make("p", { class: "note" }, word("norms_note")),
      make("table", { class: "values" }, make("thead", {}, head), make("tbody", {}, ...rows))];
    listing.replaceChildren(...parts.filter(isThereToShow));
    for (const row of rows) observer.observe(row);
    beginRoving();
    lightUp();
  }

  function rowOf(value) {
    const symbol = make("th", { scope: "row" });
    const cell = (grad) => {
      const ref = `${grad ? "g" : "v"}${value.id}`, array = grad ? value.gradient : value.array;
      return link("numbers", make("td", { class: `number ${grad ? "of-gradient shows-gradient" : "of-value shows-value"}`, "data-ref": ref, tabindex: -1 }, array ? amount(array) : "–"), ref);
    };
    const row = make("tr", { "data-ref": `v${value.id}` }, symbol, make("td", { class: "name" }, ...breakable(value.label || value.meaning)), make("td", { class: "shape" }, shapeText(value.shape)), cell(false), cell(true));
    if (value.madeBy !== null) link("numbers", row, `s${value.madeBy}`);
    row.value = value;
    row.fill = () => {
      if (!symbol.firstChild) symbol.append(formula(value.math));
    };
    return row;
  }

  const beginRoving = rove("numbers", listing, "td[data-ref]", 2);

  let shownNow = null;
  when("pinned", () => { showDetail(shownNow); if (state.pinned) pane.closest(".scrolls").scrollTop = 0; });
  when("opened", () => { showListing(); showDetail(shownNow); });
  when("stepped", (now) => { shownNow = now ?? shownNow; if (now) { showDetail(now); pane.closest(".scrolls").scrollTop = 0; } });
  when("print", () => { for (const row of listing.querySelectorAll("tr")) row.fill?.(); });
  listenTo(pane, "numbers");
  showListing();
  showDetail();
}
