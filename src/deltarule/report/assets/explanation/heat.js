// Arrays to look at: a small one as a table of its numbers, a larger one as a heat map. A click chooses an element.

const MOST_ROWS = 12, MOST_COLUMNS = 8;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const parse = (name) => {
    const text = style.getPropertyValue(name).trim().replace("#", "");
    return [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16));
  };
  return { zero: parse("--paper"), plus: parse("--plus"), minus: parse("--minus") };
}

function shade(value, most, palette) {
  if (!Number.isFinite(value)) return [140, 140, 140];
  const strength = most ? Math.sqrt(Math.abs(value) / most) : 0;
  const full = value >= 0 ? palette.plus : palette.minus;
  return palette.zero.map((channel, at) => Math.round(channel + (full[at] - channel) * strength * 0.92));
}

function mostOf(array) {
  const { min, max } = array.stats ?? {};
  const ends = [number(min), number(max)].map(Math.abs).filter(Number.isFinite);
  return ends.length ? Math.max(...ends) : 0;
}

// Maps that are on the page are painted anew when it turns light or dark.
const repaints = new Set();
function repaint() {
  for (const each of repaints) {
    const paint = each.deref();
    if (paint) paint();
    else repaints.delete(each);
  }
}
new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", repaint);

// A table or heat map. choose(index) is called for a cell; chosen is the index of the marked one.
function pictureOf(array, { choose = null, chosen = null, name = "" } = {}) {
  const grid = asGrid(array);
  if (!grid || !grid.rows || !grid.columns) return make("p", { class: "note" }, word(sizeOf(array) ? "not_held" : "empty"));
  const isSmall = grid.rows <= MOST_ROWS && grid.columns <= MOST_COLUMNS && grid.index(0, 0);
  return isSmall ? tableOf(array, grid, choose, chosen, name) : heatOf(array, grid, choose, chosen, name);
}

function tableOf(array, grid, choose, chosen, name) {
  const most = mostOf(array), palette = colours();
  const rows = [];
  for (let row = 0; row < grid.rows; row++) {
    const cells = [];
    for (let column = 0; column < grid.columns; column++) {
      const index = grid.index(row, column), value = grid.at(row, column);
      const marked = chosen && index.every((each, axis) => each === chosen[axis]);
      const [red, green, blue] = shade(value, most, palette);
      const cell = choose
        ? make("button", { type: "button", class: marked ? "cell chosen" : "cell", "aria-pressed": String(Boolean(marked)),
            "aria-label": `${name}[${index.join(", ")}] = ${figure(value)}`, "data-cell": index.join(","), on: { click: () => choose(index) } }, figure(value))
        : make("span", { class: "cell" }, figure(value));
      cell.style.background = `rgb(${red} ${green} ${blue} / 0.5)`;
      cells.push(make("td", {}, cell));
    }
    rows.push(make("tr", {}, ...cells));
  }
  return make("div", { class: "wide" }, make("table", { class: "cells" }, make("tbody", {}, ...rows)));
}

function heatOf(array, grid, choose, chosen, name) {
  const canvas = make("canvas", { class: "heat", width: grid.columns, height: grid.rows, role: "img", tabindex: choose ? 0 : null,
    "aria-label": word("heat_map", { name, shape: shapeText(array.shape), min: figure(array.stats.min), max: figure(array.stats.max) }) });
  const holder = make("div", { class: "heat-holder" }, canvas);
  const note = make("p", { class: "note heat-note" });
  const side = Math.max(2, Math.min(18, 280 / grid.columns, 240 / grid.rows));
  canvas.style.width = `${Math.max(grid.columns * side, 40)}px`;
  canvas.style.height = `${Math.min(Math.max(grid.rows * side, 10), 420)}px`;
  const context = canvas.getContext("2d");
  paint();

  function paint() {
    const pixels = context.createImageData(grid.columns, grid.rows);
    const most = mostOf(array), palette = colours();
    for (let row = 0, at = 0; row < grid.rows; row++) {
      for (let column = 0; column < grid.columns; column++, at += 4) {
        const shadeOf = shade(grid.at(row, column), most, palette);
        pixels.data.set([...shadeOf, 255], at);
      }
    }
    context.putImageData(pixels, 0, 0);
  }
  if (chosen) mark();

  function mark() {
    const columns = grid.columns;
    const offset = offsetOf(array.shape, chosen);
    const [row, column] = [Math.floor(offset / columns), offset % columns];
    if (!grid.index(0, 0)) return;
    const frame = make("span", { class: "heat-mark" });
    const percent = (part) => `${part * 100}%`;
    Object.assign(frame.style, { left: percent(column / columns), top: percent(row / grid.rows), width: percent(1 / columns), height: percent(1 / grid.rows) });
    holder.append(frame);
  }

  function under(event) {
    const frame = canvas.getBoundingClientRect();
    const clamp = (part, count) => Math.max(0, Math.min(count - 1, Math.floor(part * count)));
    return [clamp((event.clientY - frame.top) / frame.height, grid.rows), clamp((event.clientX - frame.left) / frame.width, grid.columns)];
  }
  canvas.addEventListener("pointermove", (event) => {
    const [row, column] = under(event);
    const index = grid.index(row, column);
    note.textContent = index ? `[${index.join(", ")}] = ${figure(grid.at(row, column))}` : figure(grid.at(row, column));
  });
  const legend = grid.index(0, 0) ? "" : word("shrunk");
  note.textContent = legend;
  canvas.addEventListener("pointerleave", () => { note.textContent = legend; });
  if (choose) {
    let keyed = chosen ? offsetOf(array.shape, chosen) : 0;
    canvas.addEventListener("click", (event) => {
      const index = grid.index(...under(event));
      if (index) choose(index);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.columns, ArrowDown: grid.columns }[event.key];
      if (!grid.index(0, 0) || (!step && event.key !== "Enter")) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Enter") return choose(indexOf(array.shape, keyed));
      keyed = Math.max(0, Math.min(grid.rows * grid.columns - 1, keyed + step));
      const index = indexOf(array.shape, keyed);
      note.textContent = `[${index.join(", ")}] = ${figure(elementAt(array, index))}`;
    });
    holder.classList.add("chooses");
  }
  repaints.add(new WeakRef(paint));
  canvas.paint = paint;
  const scale = make("p", { class: "note heat-scale", "aria-hidden": "true" }, figure(-mostOf(array)), make("span", {}), figure(mostOf(array)));
  return make("figure", { class: "heat-figure" }, holder, scale, note);
}

function statistics(array) {
  if (!array.stats || isSingle(array)) return null;
  const rows = ["min", "max", "mean", "std", "norm"].map((key) => make("span", {}, make("b", {}, word(`stat_${key}`)), ` ${figure(array.stats[key])}`));
  if (array.stats.zeros) rows.push(make("span", {}, make("b", {}, word("stat_zeros")), ` ${percent(array.stats.zeros / sizeOf(array))}`));
  return make("p", { class: "stats" }, ...rows.flatMap((each) => [each, " "]));
}
