// What is written on nodes and beside lines: signs, names, letters with their indices, numbers; and how wide it is.

const SIGNS = { add: "+", subtract: "−", multiply: "×", divide: "÷", negative: "−( )", matmul: "@", sum: "Σ", square: "( )²", sqrt: "√", exp: "exp", log: "ln" };
// Nodes are no wider; longer names are cut.
const WIDEST = 250;
const isScalarGraph = data.values.every((value) => isSingle(value.array));

const measure = document.createElement("canvas").getContext("2d");
const widths = new Map();
function textWidth(text, size) {
  const key = `${size} ${text}`;
  if (!widths.has(key)) {
    measure.font = `${size}px system-ui, "Noto Sans", sans-serif`;
    widths.set(key, measure.measureText(text).width);
  }
  return widths.get(key);
}

function cutTo(text, width, size) {
  let short = text;
  while (short.length > 2 && textWidth(short, size) > width) short = `${short.slice(0, short.endsWith("…") ? -2 : -1)}…`;
  return short;
}

// The letter of a value as pieces of text: level 1 stands above the line, -1 below it.
const pieces = new Map();
function namePieces(value) {
  if (!pieces.has(value.id)) {
    const template = document.createElement("template");
    template.innerHTML = value.math;
    const found = [];
    const walk = (node, level) => {
      const parts = [...node.children];
      if (/^m(sub|sup|subsup)$/.test(node.localName) && level === 0) {
        walk(parts[0], 0);
        if (node.localName !== "msup") walk(parts[1], -1);
        if (node.localName !== "msub") walk(parts.at(-1), 1);
      } else if (parts.length && /^(math|mrow)$/.test(node.localName)) parts.forEach((part) => walk(part, level));
      else found.push({ text: node.textContent, level });
    };
    walk(template.content.firstElementChild, 0);
    pieces.set(value.id, found);
  }
  return pieces.get(value.id);
}

// Pieces as parts of an SVG text.
function raised(parts) {
  let level = 0;
  return parts.map((part) => {
    const dy = (level - part.level) * 4;
    level = part.level;
    return drawn("tspan", { class: part.level ? `${part.kind ?? ""} raised` : part.kind, dy: dy || null }, part.text);
  });
}

// What is written on a node: its sign or name, and in small letters its layer or the user's own name.
function faceOf(item) {
  const id = Number(item.split(":")[1]);
  if (item.startsWith("box:")) return { title: boxes.get(id).title, below: "" };
  if (item.startsWith("step:")) {
    const step = steps.get(id);
    const sign = hasInside(item) ? null : SIGNS[step.operation];
    if (sign) return { title: sign, below: "" };
    return { title: step.title, below: step.layer === step.title ? "" : step.layer ?? "" };
  }
  const value = values.get(id);
  if (value.kind === "constant" && isSingle(value.array)) return { title: figure(elements(value.array)[0]), below: "" };
  const letters = namePieces(value);
  const title = letters.map(({ text }) => text).join("");
  return { title, letters, below: [value.name, title].includes(value.label) ? "" : value.label };
}

function nodeSize(item, lines, across) {
  const { title, below } = faceOf(item);
  const button = hasInside(item) ? 22 : 0;
  const width = Math.max(textWidth(title, 13) + 26 + button, below ? textWidth(below, 11) + 20 + button : 0, 38);
  const height = below ? 44 : 36, room = 15 * lines + 6;
  return across ? [Math.min(width, WIDEST), Math.max(height, room)] : [Math.max(Math.min(width, WIDEST), room), height];
}

function fullName(item) {
  if (item.startsWith("box:")) return faceOf(item).title;
  if (item.startsWith("step:")) {
    const step = steps.get(Number(item.slice(5)));
    return step.layer ? `${step.title} · ${step.layer}` : step.title;
  }
  const value = values.get(Number(item.slice(6)));
  return [value.plain ?? value.name, value.label, value.meaning, shapeText(value.shape)].filter(Boolean).join(" · ");
}

const spokenName = (item) => (item.startsWith("value:") ? fullName(item) : `${item.startsWith("box:") ? word("layer") : word("operation")} ${fullName(item)}`);

// The length of line that what is written beside it needs.
const roomFor = (across) => (item, leaving) => {
  const texts = leaving.map((id) => textsFor(values.get(id), item));
  return across ? Math.max(0, ...texts.flat().map((text) => textWidth(text, 11))) + 9 + BEND : 13 * Math.max(0, ...texts.map((rows) => rows.length)) + 5 + BEND;
};

// How far to the side of the last line what is written there goes; above and below there is room.
const reachFor = (across) => (item, leaving) => {
  const texts = across ? [] : textsFor(values.get(leaving[leaving.length - 1]), item);
  return texts.length ? Math.max(...texts.map((text) => textWidth(text, 11))) + 15 : 0;
};

// What is written at the line of a value, row by row.
function textsFor(value, item) {
  const rows = rowsFor(value, item).map((row) => row.map(([text]) => text).join(""));
  return rows.length && value.gradient ? [...rows, amount(value.gradient)] : rows;
}

// What is written above the line of a value: [text, class] pairs, row by row.
function rowsFor(value, item) {
  const leaf = item.startsWith("value:");
  if (leaf && value.kind === "constant" && isSingle(value.array)) return [];
  // A leaf has its name on its node.
  const name = leaf ? [] : namePieces(value).map(({ text, level }) => [text, "name", level]);
  if (isSingle(value.array)) return [[...name, [`${name.length ? " " : ""}${amount(value.array)}`, "of-value", 0]]];
  return [[...name, [`${name.length ? "  " : ""}${shapeText(value.shape)}`, "shape", 0]], [[amount(value.array), "of-value", 0]]];
}

// A single element itself, of others the norm; of whole numbers, such as labels, from where to where.
function amount(array) {
  if (isSingle(array)) return figure(elements(array)?.[0]);
  if (!sizeOf(array)) return "∅";
  return array.dtype.startsWith("float") ? `‖·‖ ${figure(array.stats.norm)}` : `${figure(array.stats.min)} … ${figure(array.stats.max)}`;
}
