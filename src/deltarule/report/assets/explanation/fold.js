// Formulas that are wider than their view are broken before a sign, as one breaks them by hand. A sum in
// brackets gets several lines inside of these.

const SIGNS_TO_BREAK_AT = /^[+−⊙×·]$/;
// A wide space, as before "t = 0, …, 3", in em.
const WIDE_SPACE = 1;
// Too little room, in em, to be worth a break.
const LEAST_ROOM = 8;
// Rows that are broken in one formula, each of which is measured.
const MOST_BREAKS = 20;
// What may hold a sum that is broken; sums in indices and exponents are not.
const HOLDERS = new Set(["math", "mrow", "mstyle", "mtable", "mtr", "mtd"]);

// Breaks what of a formula is wider than a number of pixels.
function fold(math, room) {
  const tried = new Set();
  while (room > 0 && tried.size < MOST_BREAKS) {
    const row = lineToBreak(math, math.getBoundingClientRect().left + room, tried);
    if (!row) return;
    tried.add(row);
    foldRow(row, math, room);
  }
}

// The formulas of a markup, broken on a bench that is apart from the page: measuring there lays out nothing else.
function foldedOn(bench, markup, room) {
  if (bench.style.width !== `${room}px`) bench.style.width = `${room}px`;
  bench.innerHTML = markup;
  for (const math of bench.children) fold(math, room);
  const formulas = document.createDocumentFragment();
  formulas.append(...bench.childNodes);
  return formulas;
}

// The outermost row, not tried yet, that can be broken and is in a line that ends beyond a limit.
function lineToBreak(math, limit, tried) {
  const queue = [math];
  for (const part of queue) {
    const isLine = part.localName === "math" || part.localName === "mtd";
    if (!HOLDERS.has(part.localName) || (isLine && endOf(part) <= limit + 1)) continue;
    if (part.localName === "mrow" && !tried.has(part) && piecesOf(part).length > 1) return part;
    queue.push(...part.children);
  }
  return null;
}

// Where what is written in a line ends: a table that is broken already may be narrower than its lines.
const endOf = (line) => Math.max(0, ...[...line.querySelectorAll("mi, mn, mo, mtext")].map((each) => each.getBoundingClientRect().right));

// The children of a row, cut before each sign at which it may be broken. The first equals sign stays with its left side.
function piecesOf(row) {
  const pieces = [[]];
  let equals = 0;
  for (const part of row.children) {
    const text = part.localName === "mo" && part.getAttribute("form") !== "prefix" ? part.textContent : "";
    const isSpace = part.localName === "mspace" && parseFloat(part.getAttribute("width")) >= WIDE_SPACE;
    if (isSpace) equals = 0;
    if (text === "=") equals += 1;
    if (part.previousElementSibling && (isSpace || SIGNS_TO_BREAK_AT.test(text) || (text === "=" && equals > 1))) pieces.push([]);
    pieces.at(-1).push(part);
  }
  return pieces;
}

function foldRow(row, math, room) {
  const letter = parseFloat(getComputedStyle(math).fontSize);
  const place = row.getBoundingClientRect();
  // What follows in the same line needs its room too, and brackets grow.
  const following = endOf(row.parentElement.closest("mtd") ?? math) - place.right;
  const isBracketed = row.nextElementSibling?.localName === "mo";
  const left = math.getBoundingClientRect().left + room - place.left - Math.max(0, following) - (isBracketed ? letter : 0);
  if (left < LEAST_ROOM * letter) return;
  const first = [...row.children].find((part) => part.textContent === "=");
  // Under what stands behind the equals sign, where that leaves enough; inside of brackets, at their beginning.
  const behind = first ? first.getBoundingClientRect().right - place.left : 0;
  const indent = behind < left / 3 ? behind : 2 * letter;
  const lines = [];
  let used = Infinity;
  for (const piece of piecesOf(row)) {
    const [start, end] = [piece[0], piece.at(-1)].map((part) => part.getBoundingClientRect());
    const width = end.right - start.left;
    if (used + width > left) {
      used = lines.length ? indent : 0;
      lines.push([]);
    }
    used += width;
    lines.at(-1).push(...piece);
  }
  if (lines.length < 2) return;
  const make = (name, ...children) => {
    const element = document.createElementNS(math.namespaceURI, name);
    element.append(...children);
    return element;
  };
  const neighbours = [row.previousElementSibling, row.nextElementSibling];
  const table = make("mtable", ...lines.map((parts, number) => {
    const cell = make("mtd", make("mrow", ...parts.filter((part) => number === 0 || part !== parts[0] || part.localName !== "mspace")));
    cell.style.cssText = `text-align:left;text-align:-webkit-left;padding:0.15em 0 0.15em ${number ? indent : 0}px`;
    return make("mtr", cell);
  }));
  table.setAttribute("displaystyle", "true");
  row.replaceChildren(table);
  // Brackets about several lines are as high as these.
  for (const each of neighbours) if (each?.localName === "mo" && /^[([{|\])}]$/.test(each.textContent)) each.setAttribute("stretchy", "true");
}
