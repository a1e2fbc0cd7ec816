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
  return isSmall ? tableOf(array, grid, choose, chosen, name) : heatOf(array, asTiles(array), choose, chosen, name);
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
  const holder = make("div", { class: "heat-holder" }, canvas, chosen && grid.place ? markOf(grid, chosen) : null);
  const side = Math.max(2, Math.min(18, 280 / grid.columns, 240 / grid.rows));
  canvas.style.width = `${Math.max(grid.columns * side, 40)}px`;
  canvas.style.height = `${Math.min(Math.max(grid.rows * side, 10), 420)}px`;
  // The canvas keeps its painter as long as it is on the page itself.
  canvas.paint = () => paintHeat(canvas, array, grid);
  canvas.paint();
  repaints.add(new WeakRef(canvas.paint));

  // What is pointed at, or reached with arrows.
  const legend = grid.place ? "" : word("shrunk");
  const note = make("p", { class: "note heat-note", "aria-live": "polite" }, legend);
  const say = (row, column) => {
    const [index, value] = [grid.index(row, column), grid.at(row, column)];
    note.textContent = index ? `[${index.join(", ")}] = ${figure(value)}` : value === undefined ? legend : figure(value);
  };
  const under = (event) => {
    const frame = canvas.getBoundingClientRect();
    const clamp = (part, count) => Math.max(0, Math.min(count - 1, Math.floor(part * count)));
    return [clamp((event.clientY - frame.top) / frame.height, grid.rows), clamp((event.clientX - frame.left) / frame.width, grid.columns)];
  };
  canvas.addEventListener("pointermove", (event) => say(...under(event)));
  canvas.addEventListener("pointerleave", () => { note.textContent = legend; });
  if (choose && grid.place) {
    holder.classList.add("chooses");
    canvas.addEventListener("click", (event) => {
      const index = grid.index(...under(event));
      if (index) choose(index);
    });
    moveWithin(canvas, grid, chosen ? grid.place(chosen) : [0, 0], say, choose);
  }
  const scale = make("p", { class: "note heat-scale", "aria-hidden": "true" }, figure(-mostOf(array)), make("span", {}), figure(mostOf(array)));
  return make("figure", { class: "heat-figure" }, holder, scale, note);
}

function paintHeat(canvas, array, grid) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(grid.columns, grid.rows);
  const most = mostOf(array), palette = colours();
  for (let row = 0, at = 0; row < grid.rows; row++) {
    for (let column = 0; column < grid.columns; column++, at += 4) {
      const value = grid.at(row, column);
      pixels.data.set([...(value === undefined ? palette.zero : shade(value, most, palette)), 255], at);
    }
  }
  context.putImageData(pixels, 0, 0);
}

// A frame about one cell.
function markOf(grid, index) {
  const [row, column] = grid.place(index), frame = make("span", { class: "heat-mark" });
  const percent = (part) => `${part * 100}%`;
  Object.assign(frame.style, { left: percent(column / grid.columns), top: percent(row / grid.rows), width: percent(1 / grid.columns), height: percent(1 / grid.rows) });
  return frame;
}

// Arrows go from cell to cell, Enter chooses one.
function moveWithin(canvas, grid, start, say, choose) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const isCell = ([row, column]) => row >= 0 && row < grid.rows && column >= 0 && column < grid.columns && grid.index(row, column);
  let cell = start;
  canvas.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (!step) return choose(grid.index(...cell));
    // Two at once over the line between matrices.
    cell = [1, 2].map((count) => cell.map((place, axis) => place + count * step[axis])).find(isCell) ?? cell;
    say(...cell);
  });
}

function statistics(array) {
  if (!array.stats || isSingle(array)) return null;
  const rows = ["min", "max", "mean", "std", "norm"].map((key) => make("span", {}, make("b", {}, word(`stat_${key}`)), ` ${figure(array.stats[key])}`));
  if (array.stats.zeros) rows.push(make("span", {}, make("b", {}, word("stat_zeros")), ` ${percent(array.stats.zeros / sizeOf(array))}`));
  return make("p", { class: "stats" }, ...rows.flatMap((each) => [each, " "]));
}
