// How numbers are written, and the elements of arrays.

const MINUS = "−";
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

// JSON has no NaN and no infinity: they come as words.
const number = (value) => (typeof value === "string" ? Number(value) : value);

function special(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  return null;
}

function withPower(value, digits) {
  const [mantissa, exponent] = Math.abs(value).toExponential(digits).split("e");
  const power = [...String(Number(exponent))].map((each) => RAISED[each]).join("");
  const short = mantissa.replace(/(\.\d+?)0+$/, "$1");
  return `${value < 0 ? MINUS : ""}${short}·10${power}`;
}

// A short number: whole ones as they are, others to three digits.
function figure(given) {
  const value = number(given);
  const odd = special(value);
  if (odd !== null) return odd;
  const size = Math.abs(value);
  let text;
  if (Number.isInteger(value) && size < 1e6) text = String(size);
  else if (size >= 9.995e-4 && size < 1e5) {
    const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
    text = size.toFixed(digits);
    if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  } else return withPower(value, 2);
  return value < 0 ? MINUS + text : text;
}

// A number in arithmetic: two decimals, so that terms stand alike.
function term(given) {
  const value = number(given);
  const odd = special(value);
  if (odd !== null) return odd;
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e5)) return withPower(value, 2);
  const text = size.toFixed(size < 0.1 && size !== 0 ? 4 : 2);
  return value < 0 ? MINUS + text : text;
}

function percent(share) {
  const hundred = number(share) * 100;
  return `${hundred >= 10 || hundred === 0 ? hundred.toFixed(0) : hundred.toFixed(1)} %`;
}

const shapeText = (shape) => (shape.length ? shape.join(" × ") : word("scalar"));
const sizeOf = (array) => array.shape.reduce((product, extent) => product * extent, 1);
const isSingle = (array) => sizeOf(array) === 1;

// Flat elements of an array, or null where the page does not hold all of them.
const decoded = new WeakMap();
function elements(array) {
  if (!array) return null;
  if (!decoded.has(array)) {
    let flat = null;
    if (array.values !== undefined) flat = [array.values].flat(Infinity).map(number);
    else if (array.data) flat = new Float32Array(bytesOf(array.data).buffer);
    decoded.set(array, flat);
  }
  return decoded.get(array);
}

function offsetOf(shape, index) {
  let offset = 0;
  for (let axis = 0; axis < shape.length; axis++) offset = offset * shape[axis] + index[axis];
  return offset;
}

function indexOf(shape, offset) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = offset % shape[axis];
    offset = Math.floor(offset / shape[axis]);
  }
  return index;
}

// One element; undefined where the page does not hold it.
function elementAt(array, index) {
  const flat = elements(array);
  if (flat) return flat[offsetOf(array.shape, index)];
  const known = array?.some?.find(([place]) => place.every((each, axis) => each === index[axis]));
  return known ? number(known[1]) : undefined;
}

// Where the largest element is, in size.
function largestAt(array) {
  if (!array || sizeOf(array) === 0) return null;
  const flat = elements(array);
  if (!flat) return array.some?.length ? array.some[0][0] : null;
  let best = 0;
  for (let i = 1; i < flat.length; i++) if (Math.abs(flat[i]) > Math.abs(flat[best])) best = i;
  return indexOf(array.shape, best);
}

// An array as rows and columns: the last axis runs to the right, all others downwards. `at` gives the number,
// `index` the element behind a cell, null where a cell stands for several, `place` the cell of an element.
function asGrid(array) {
  const flat = elements(array);
  const columns = array.shape.length ? array.shape[array.shape.length - 1] : 1;
  if (flat) {
    const rows = columns ? flat.length / columns : 0;
    return {
      rows,
      columns,
      at: (row, column) => flat[row * columns + column],
      index: (row, column) => indexOf(array.shape, row * columns + column),
      place: (index) => {
        const offset = offsetOf(array.shape, index);
        return [Math.floor(offset / columns), offset % columns];
      },
    };
  }
  if (!array.thumb) return null;
  const small = new Float32Array(bytesOf(array.thumb.data).buffer);
  const { rows, cols } = array.thumb;
  return { rows, columns: cols, at: (row, column) => small[row * cols + column], index: () => null };
}

// An array of several matrices as these side by side, a line of nothing between them: those of the last axis but
// two in a row, unless that is far from square.
function asTiles(array) {
  const flat = elements(array), { shape } = array;
  if (!flat?.length || shape.length < 3) return asGrid(array);
  const [wanted, height, width] = shape.slice(-3), count = flat.length / (height * width);
  const ratio = (wanted * width) / ((count / wanted) * height);
  const across = ratio > 1 / 4 && ratio < 4 ? wanted : Math.max(1, Math.min(count, Math.round(Math.sqrt((count * height) / width))));
  function offset(row, column) {
    const [y, x] = [row % (height + 1), column % (width + 1)];
    const tile = Math.floor(row / (height + 1)) * across + Math.floor(column / (width + 1));
    return y === height || x === width || tile >= count ? null : (tile * height + y) * width + x;
  }
  return {
    rows: Math.ceil(count / across) * (height + 1) - 1,
    columns: across * (width + 1) - 1,
    at: (row, column) => flat[offset(row, column)],
    index: (row, column) => (offset(row, column) === null ? null : indexOf(shape, offset(row, column))),
    place: (index) => {
      const at = offsetOf(shape, index), tile = Math.floor(at / (height * width));
      return [Math.floor(tile / across) * (height + 1) + (Math.floor(at / width) % height), (tile % across) * (width + 1) + (at % width)];
    },
  };
}
