// The graph: nodes for steps, rounded leaves, values above the lines and gradients below; groups open and close.

// How much smaller a drawing from left to right may be than one from top to bottom and still be preferred.
const PREFERENCE = 0.9;
// Below this scale a graph has the width of the page to itself, where that makes it larger by so much.
const COMFORTABLE = 0.9, LARGER = 1.15;

const graphView = { scene: null, across: null, box: { x: 0, y: 0, width: 1, height: 1 }, labels: [] };

function buildGraph(pane) {
  const lines = drawn("g", { class: "lines" }), containers = drawn("g"), nodes = drawn("g"), written = drawn("g", { class: "written" });
  const canvas = drawn("svg", { class: "canvas", role: "group", "aria-label": word("graph") }, containers, lines, nodes, written);
  const viewport = buildViewport(canvas);
  const tool = (name, act) => make("button", { type: "button", title: word(name), "aria-label": word(name), on: { click: act } }, icon(name));
  const tools = make("div", { class: "tools", role: "toolbar", "aria-label": word("graph_tools") },
    tool("zoom_in", () => viewport.zoom(1.25)), tool("zoom_out", () => viewport.zoom(0.8)), tool("fit", () => viewport.fit(true)),
    tool("turn", () => { graphView.across = !graphView.across; render(); viewport.fit(); }));
  const canOpen = [...steps.values()].some(childrenOfItem) || boxes.size;
  if (canOpen) tools.append(tool("open_next", openNext), tool("close_all", closeAll));
  // It listens to the focus of nodes; a drawing that did would take the focus itself.
  const holder = make("div", { class: "canvas-holder" }, canvas);
  pane.append(holder, make("div", { class: "below-graph" }, key(), tools));

  function childrenOfItem(step) { return hasInside(`step:${step.id}`); }

  function key() {
    return make("p", { class: "key note" }, make("span", { class: "of-value" }, `● ${word("value")}`),
      make("span", { class: "of-gradient" }, `● ${word("gradient")}`), isScalarGraph ? null : make("span", {}, word("norms")));
  }

  // Opens everything that is closed and seen; again for what appears by that.
  function openNext() {
    const closed = graphView.scene.nodes.filter((node) => !node.isOpen && hasInside(node.item));
    for (const node of closed) state.opened.add(node.item);
    findFrontier();
    tell("opened", null);
  }

  function closeAll() {
    state.opened.clear();
    findFrontier();
    tell("opened", null);
  }

  const sceneOf = (across) => place(data.layout, (item, lines) => nodeSize(item, lines, across), state.opened, { across, room: roomFor(across), reach: reachFor(across) });

  // From left to right, as one draws by hand, unless the other way shows it much larger.
  function suitsAcross() {
    const [wide, tall] = [true, false].map((across) => Math.min(scaleOf(sceneOf(across), canvas), 1));
    return Math.max(wide, tall) < READABLE / 2 ? canvas.clientWidth > canvas.clientHeight : wide >= PREFERENCE * tall;
  }

  // Gives a graph that would be small beside the formulas the width of the page, above the other views.
  function widen() {
    const views = pane.closest(".views");
    const best = () => Math.max(scaleOf(sceneOf(true), canvas), scaleOf(sceneOf(false), canvas));
    const beside = best();
    if (beside >= COMFORTABLE) return;
    views.classList.add("graph-above");
    if (best() < LARGER * beside) views.classList.remove("graph-above");
  }

  function render() {
    const { across } = graphView;
    unlinkAll("graph");
    const scene = sceneOf(across);
    graphView.scene = scene;
    graphView.labels = [];
    const drawnLines = [], drawnLabels = [], labelled = new Set();
    // One path for all lines of a value: of thousands of lines a page would be slow.
    const paths = new Map();
    for (const curve of scene.curves) {
      if (!paths.has(curve.value)) paths.set(curve.value, { line: [], far: [], arrow: [] });
      const own = paths.get(curve.value);
      own[curve.far ? "far" : "line"].push(pathOf(curve));
      if (curve.ends) own.arrow.push(arrowOf(curve));
      const once = `${curve.value} ${curve.source}`;
      if (curve.starts && !labelled.has(once)) {
        labelled.add(once);
        drawnLabels.push(labelOf(curve));
      }
      const share = curve.ends ? shareOf(curve) : null;
      if (share) drawnLabels.push(shareLabel(curve, share));
    }
    for (const [value, { line, far, arrow }] of paths) {
      const refs = [`v${value}`, `g${value}`];
      const path = (parts, name) => parts.length && drawnLines.push(link("graph", drawn("path", { d: parts.join(""), class: name }), ...refs));
      if (line.length) drawnLines.push(drawn("path", { d: line.join(""), class: "reach", "data-ref": refs[0] }));
      path(far, "line far");
      path(line, "line");
      path(arrow, "arrow");
    }
    lines.replaceChildren(...drawnLines);
    written.replaceChildren(...drawnLabels.filter(Boolean));
    containers.replaceChildren(...scene.nodes.filter((node) => node.isOpen).map(containerOf));
    const closed = scene.nodes.filter((node) => !node.isOpen);
    nodes.replaceChildren(...closed.map((node) => nodeOf(node, closed.length)));
    tell("drawn");
  }

  function pathOf({ x0, y0, x1, y1, bend }) {
    const [a, b] = graphView.across ? [x0, x1] : [y0, y1];
    const begin = b > a ? bend : a;
    const middle = b > a ? (begin + b) / 2 : Math.max(a, b) + 40;
    const f = (value) => value.toFixed(1);
    return graphView.across
      ? `M${f(x0)},${f(y0)}H${f(begin)}C${f(middle)},${f(y0)} ${f(middle)},${f(y1)} ${f(x1)},${f(y1)}`
      : `M${f(x0)},${f(y0)}V${f(begin)}C${f(x0)},${f(middle)} ${f(x1)},${f(middle)} ${f(x1)},${f(y1)}`;
  }

  const arrowOf = ({ x1, y1 }) => `M${x1.toFixed(1)},${y1.toFixed(1)}${graphView.across ? "l-7,-3.5v7z" : "l-3.5,-7h7z"}`;

  function labelOf(curve) {
    const value = values.get(curve.value);
    const { across } = graphView;
    const rows = rowsFor(value, curve.source);
    if (!rows.length) return null;
    const group = drawn("g", { class: "label" });
    const x = curve.x0 + 7;
    rows.forEach((row, position) => {
      const y = across ? curve.y0 - 6 - 13 * (rows.length - 1 - position) : curve.y0 + 13 * (position + 1);
      const text = drawn("text", { x, y, "data-ref": `v${value.id}`, class: "shows-value" }, ...raised(row.map(([text, kind, level]) => ({ text, kind, level }))));
      group.append(link("graph", text, `v${value.id}`));
    });
    if (value.gradient) {
      const y = across ? curve.y0 + 14 : curve.y0 + 13 * (rows.length + 1);
      const text = drawn("text", { x, y, "data-ref": `g${value.id}`, class: "shows-gradient of-gradient" }, amount(value.gradient));
      group.append(link("graph", text, `g${value.id}`));
    }
    graphView.labels.push({ element: group, value });
    return group;
  }

  // At a branch, what comes back along this line alone.
  function shareOf(curve) {
    const value = values.get(curve.value);
    if (!(value.shares?.length > 1) || !curve.target.startsWith("step:")) return null;
    const id = Number(curve.target.split(":")[1]);
    const share = value.shares.filter((each) => each.step === id)[curve.nth];
    return share?.array && isSingle(share.array) ? share : null;
  }

  function shareLabel(curve, share) {
    const text = drawn("text", { x: curve.x1 - 10, y: curve.y1 + (graphView.across ? 13 : -9), "text-anchor": "end", class: "share of-gradient", "data-ref": `g${curve.value}` }, amount(share.array));
    graphView.labels.push({ element: text, share });
    return link("graph", text, `g${curve.value}`);
  }

  function refsWithin(item) {
    const refs = [refOfItem(item)];
    if (item.startsWith("value:")) refs.push(item.replace("value:", "g"));
    return refs;
  }

  function nodeOf(node, count) {
    const { title, letters, below } = faceOf(node.item);
    const leaf = node.item.startsWith("value:");
    const opens = hasInside(node.item);
    const round = leaf || (title.length < 4 && !below && !opens);
    const [left, top] = [node.x - node.width / 2, node.y - node.height / 2];
    const room = node.width - 12 - (opens ? 22 : 0);
    const middle = node.x - (opens ? 9 : 0);
    const group = drawn("g", {
      class: `node ${leaf ? "leaf" : "step"}${leaf ? ` ${values.get(Number(node.item.slice(6))).kind}` : ""}${opens ? " group" : ""}`,
      "data-ref": refOfItem(node.item), "data-item": node.item, role: "button", tabindex: count <= 90 || opens ? 0 : -1,
      "aria-label": spokenName(node.item), "aria-expanded": opens ? "false" : null,
    },
      drawn("title", {}, fullName(node.item)),
      drawn("rect", { x: left, y: top, width: node.width, height: node.height, rx: round ? node.height / 2 : 8 }),
      drawn("text", { x: middle, y: node.y + (below ? -2 : 4.5), class: "title" }, ...(letters ? raised(letters) : [cutTo(title, room, 13)])),
      below ? drawn("text", { x: middle, y: node.y + 13, class: "below" }, cutTo(below, room + 6, 11)) : null,
      opens ? opener(node, "+", left + node.width - 20, node.y - 9) : null,
    );
    return link("graph", group, ...refsWithin(node.item));
  }

  function opener(node, sign, x, y) {
    const isOpen = sign !== "+";
    return drawn("g", { class: "opener", "data-toggle": node.item, role: isOpen ? "button" : null, tabindex: isOpen ? 0 : null,
      "aria-expanded": isOpen ? "true" : null, "aria-label": isOpen ? word("close_group", { name: faceOf(node.item).title }) : null },
      drawn("title", {}, word(isOpen ? "close_group" : "open_group", { name: faceOf(node.item).title })),
      drawn("rect", { x: x - 4, y: y - 4, width: 24, height: 26, class: "reach" }),
      drawn("rect", { x, y, width: 17, height: 17, rx: 4 }),
      drawn("text", { x: x + 8.5, y: y + 13 }, isOpen ? "−" : "+"));
  }

  function containerOf(node) {
    const [left, top] = [node.x - node.width / 2, node.y - node.height / 2];
    const { title, below } = faceOf(node.item);
    const group = drawn("g", { class: `container depth-${node.depth % 2}`, "data-ref": refOfItem(node.item), "data-item": node.item },
      drawn("rect", { x: left, y: top, width: node.width, height: node.height, rx: 10 }),
      drawn("text", { x: left + 12, y: top + 18, class: "below" }, cutTo(below ? `${title} · ${below}` : title, node.width - 44, 12)),
      opener(node, "−", left + node.width - 24, top + 6));
    return link("graph", group, refOfItem(node.item));
  }

  canvas.addEventListener("click", (event) => {
    if (viewport.wasDragged()) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const button = event.target.closest("[data-toggle]");
    if (!button) return;
    event.preventDefault();
    toggleKept(button.dataset.toggle);
  }, true);
  canvas.addEventListener("dblclick", (event) => {
    const node = event.target.closest("[data-item]");
    if (node && hasInside(node.dataset.item)) toggleKept(node.dataset.item);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    const closer = event.target.closest("[data-toggle]");
    const node = closer ?? event.target.closest("[data-item]");
    if (!node) return;
    event.preventDefault();
    event.stopPropagation();
    const item = closer ? closer.dataset.toggle : node.dataset.item;
    if (hasInside(item) && (closer || event.key === "Enter")) toggleKept(item, true);
    else pinOrClear(refOfItem(item), "graph");
  });

  holder.addEventListener("focusin", ({ target }) => {
    const node = target.closest(".node");
    if (node?.matches(":focus-visible")) viewport.bringNear(node);
  });

  // Opens or closes a group; it stays where it is on the screen, and keeps the focus.
  function toggleKept(item, focus = false) {
    toggle(item);
    if (!focus) return;
    const open = state.opened.has(item);
    canvas.querySelector(open ? `[data-toggle="${item}"]` : `.node[data-item="${item}"]`)?.focus({ preventScroll: true });
  }

  when("opened", (item) => {
    const before = graphView.scene.nodes.find((node) => node.item === item);
    const whole = viewport.isWhole();
    render();
    const after = graphView.scene.nodes.find((node) => node.item === item);
    if (!before || !after || whole) {
      viewport.fit();
      if (after) viewport.bringIn(after.isOpen && (after.width > graphView.box.width || after.height > graphView.box.height) ? viewport.firstInside(item) : after);
      return;
    }
    // Its header stays in its place, unless its beginning is then out of sight.
    graphView.box.x += after.x - after.width / 2 - (before.x - before.width / 2);
    graphView.box.y += after.y - after.height / 2 - (before.y - before.height / 2);
    viewport.bringIn(after.isOpen ? viewport.firstInside(item) : after);
  });

  when("reveal-in-graph", viewport.bringNear);

  widen();
  graphView.across = suitsAcross();
  listenTo(holder, "graph");
  render();
  viewport.fit();
}
