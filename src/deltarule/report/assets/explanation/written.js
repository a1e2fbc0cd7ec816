// Formulas written out for one element: with symbols, and with the numbers in their places.
// Each piece has MathML for the eye, plain text for the ear, and how strongly it binds.

const [SUM, NEGATIVE, PRODUCT, POWER, ATOM] = [1, 2, 3, 4, 5];
// Terms of a sum that are written; the others are counted.
const TERMS_WRITTEN = 4;

const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (each) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[each]);

const piece = (math, text, strength = ATOM) => ({ math, text, strength });

function bracketed(part, place) {
  if (part.strength >= place) return part;
  return piece(`<mrow><mo>(</mo>${part.math}<mo>)</mo></mrow>`, `(${part.text})`);
}

// A number of the computation, which lights up with what it is an element of.
function numberPiece(value, source = null) {
  const text = term(value);
  const attributes = source ? ` class="${source.grad ? "of-gradient" : "of-value"}" data-ref="${source.ref}"` : "";
  return piece(`<mn${attributes}>${text}</mn>`, text, value < 0 ? NEGATIVE : ATOM);
}

// A number of the formula itself: a constant or an index.
function constantPiece(value) {
  const text = figure(value);
  return piece(`<mn>${text}</mn>`, text, value < 0 ? NEGATIVE : ATOM);
}

const operator = (sign) => `<mo>${escaped(sign)}</mo>`;

// Parts with a sign between them; the first one needs brackets more seldom than the others.
function infix(sign, strength, [first, other]) {
  return (...parts) => {
    const all = parts.map((part, position) => bracketed(part, position ? other : first));
    const math = all.map((part) => part.math).join(operator(sign));
    return piece(`<mrow>${math}</mrow>`, all.map((part) => part.text).join(` ${sign} `), strength);
  };
}

function called(name) {
  return (...parts) => {
    const between = parts.map((part) => part.math).join("<mo>,</mo>");
    const math = `<mrow><mi>${escaped(name)}</mi><mo>(</mo>${between}<mo>)</mo></mrow>`;
    return piece(math, `${name}(${parts.map((part) => part.text).join(", ")})`);
  };
}

function powered(base, exponent) {
  const low = bracketed(base, ATOM);
  return piece(`<msup><mrow>${low.math}</mrow><mrow>${exponent.math}</mrow></msup>`,
    `${low.text}^${bracketed(exponent, ATOM).text}`, POWER);
}

function fraction(top, bottom) {
  const [a, b] = [bracketed(top, PRODUCT), bracketed(bottom, POWER)];
  return piece(`<mfrac><mrow>${top.math}</mrow><mrow>${bottom.math}</mrow></mfrac>`, `${a.text} ÷ ${b.text}`, PRODUCT);
}

const constant = (text) => piece(`<mn>${text}</mn>`, text);

// A number that is no first term stands in brackets where it is negative.
const WRITERS = {
  add: infix("+", SUM, [SUM, PRODUCT]),
  subtract: infix("−", SUM, [SUM, PRODUCT]),
  multiply: infix("×", PRODUCT, [NEGATIVE, PRODUCT]),
  remainder: infix("mod", PRODUCT, [PRODUCT, POWER]),
  floor_divide: (a, b) => {
    const quotient = infix("/", PRODUCT, [PRODUCT, POWER])(a, b);
    return piece(`<mrow><mo>⌊</mo>${quotient.math}<mo>⌋</mo></mrow>`, `⌊${quotient.text}⌋`);
  },
  divide: fraction,
  pow: powered,
  negative: (a) => {
    const part = bracketed(a, PRODUCT);
    return piece(`<mrow><mo form="prefix">−</mo>${part.math}</mrow>`, `−${part.text}`, NEGATIVE);
  },
  positive: (a) => a,
  exp: (a) => powered(piece("<mi>e</mi>", "e"), a),
  square: (a) => powered(a, constant("2")),
  sqrt: (a) => piece(`<msqrt><mrow>${a.math}</mrow></msqrt>`, `√${bracketed(a, ATOM).text}`),
  abs: (a) => piece(`<mrow><mo>|</mo>${a.math}<mo>|</mo></mrow>`, `|${a.text}|`),
  sigmoid: called("σ"),
  log: called("ln"),
  maximum: called("max"),
  minimum: called("min"),
};
for (const [name, sign] of [["equal", "="], ["not_equal", "≠"], ["less", "<"], ["less_equal", "≤"], ["greater", ">"], ["greater_equal", "≥"]]) {
  WRITERS[name] = (a, b) =>
    piece(`<mrow><mo>[</mo>${a.math}${operator(sign)}${b.math}<mo>]</mo></mrow>`, `[${a.text} ${sign} ${b.text}]`);
}

// A letter with indices below it, beside what is raised above it.
function lowered(letter, below) {
  if (!below) return letter;
  const template = document.createElement("template");
  template.innerHTML = `<math>${letter}</math>`;
  let base = template.content.firstElementChild;
  while (["math", "mrow"].includes(base.localName) && base.childElementCount === 1) base = base.firstElementChild;
  if (base.localName !== "msup") return `<msub><mrow>${letter}</mrow>${below}</msub>`;
  return `<msubsup>${base.children[0].outerHTML}${below}${base.children[1].outerHTML}</msubsup>`;
}

// The letter of a value, or of its gradient, with the indices of one element.
function symbolPiece(value, grad, indices) {
  const own = insideMath((indices.length && value.elementMath) || value.math);
  const below = indices.length ? `<mrow>${indices.map((each) => each.math).join("<mo>,</mo>")}</mrow>` : "";
  const list = indices.length ? `[${indices.map((each) => each.text).join(", ")}]` : "";
  const ref = `${grad ? "g" : "v"}${value.id}`;
  if (!grad) return piece(`<mrow data-ref="${ref}">${lowered(own, below)}</mrow>`, (value.plain ?? value.name) + list);
  const letter = insideMath((indices.length && value.elementGradientMath) || gradientMath(value));
  const text = gradientPlain(value) + list;
  if (!letter.startsWith("<mfrac>")) return piece(`<mrow data-ref="${ref}">${lowered(letter, below)}</mrow>`, text);
  return piece(`<mrow data-ref="${ref}">${fractionOf(lowered(own, below))}</mrow>`, text);
}

// A sum of which the first terms are written and the others counted.
function shortened(terms, count, join = WRITERS.add) {
  if (count > terms.length) {
    const note = word("more", { count: count - terms.length });
    terms.push(piece(`<mrow><mo>…</mo><mtext>&#160;(${escaped(note)})</mtext></mrow>`, `… (${note})`));
  }
  return terms.length === 1 ? terms[0] : join(...terms);
}

const writtenOf = (count) => (count <= TERMS_WRITTEN + 2 ? count : TERMS_WRITTEN);

// What is added one after the other, as the gradient of a weight over many time steps.
const termsOf = (node) => (node.f === "add" ? node.a.flatMap(termsOf) : [node]);

function sumOf(node, write) {
  const terms = termsOf(node);
  return shortened(terms.slice(0, writtenOf(terms.length)).map(write), terms.length);
}

// A formula's tree in symbols: indices that are known are filled in, running ones keep their letters.
function inSymbols(node, at) {
  if (node.n !== undefined) return constantPiece(number(node.n));
  if (node.i !== undefined) {
    const known = at[node.i];
    return known === undefined ? piece(`<mi>${escaped(node.i)}</mi>`, node.i) : constantPiece(known);
  }
  if (node.e !== undefined) {
    const { value, grad } = namedArray(node);
    const indices = node.at.map((each) => indexPiece(each, at));
    if (value) return symbolPiece(value, grad, indices);
    const list = indices.map((each) => each.text).join(", ");
    const letter = `<mi>${escaped(node.e)}</mi>`;
    if (!list) return piece(letter, node.e);
    return piece(`<msub>${letter}<mrow>${indices.map((each) => each.math).join("<mo>,</mo>")}</mrow></msub>`, `${node.e}[${list}]`);
  }
  if (node.f === "where") {
    const [condition, chosen, otherwise] = node.a.map((each) => inSymbols(each, at));
    const row = (...cells) => `<mtr>${cells.map((each) => `<mtd>${each}</mtd>`).join("")}</mtr>`;
    const table = `<mtable>${row(chosen.math, condition.math)}${row(otherwise.math, `<mtext>${escaped(word("otherwise"))}</mtext>`)}</mtable>`;
    return piece(`<mrow><mo>{</mo>${table}</mrow>`, `${chosen.text} [${condition.text}] / ${otherwise.text}`);
  }
  if (node.f === "add") return sumOf(node, (each) => inSymbols(each, at));
  if (node.f !== undefined) return (WRITERS[node.f] ?? called(node.f))(...node.a.map((each) => inSymbols(each, at)));
  const inner = { ...at };
  for (const [name] of node.over) delete inner[name];
  const body = inSymbols(node.b, inner);
  const sign = { sum: "∑", prod: "∏", max: "max", min: "min" }[node.r];
  const below = node.over.map(([name]) => `<mi>${escaped(name)}</mi>`).join("<mo>,</mo>");
  const part = bracketed(body, PRODUCT);
  const names = node.over.map(([name]) => name).join(",");
  return piece(`<mrow><munder><mo movablelimits="false">${sign}</mo><mrow>${below}</mrow></munder>${part.math}</mrow>`,
    `${sign}${names} ${part.text}`, PRODUCT);
}

// Indices that follow from known ones are shown as numbers.
function indexPiece(node, at) {
  try {
    return constantPiece(evaluate(node, at));
  } catch {
    return inSymbols(node, at);
  }
}

// The same tree with numbers in the places of its elements.
function inNumbers(node, at, depth = 0) {
  if (node.n !== undefined) return constantPiece(number(node.n));
  if (node.i !== undefined) return constantPiece(at[node.i]);
  if (node.e !== undefined) {
    const { value, grad } = namedArray(node);
    const source = value && { grad, ref: `${grad ? "g" : "v"}${value.id}` };
    return numberPiece(evaluate(node, at), source);
  }
  if (node.f === "where") return inNumbers(node.a[evaluate(node.a[0], at) ? 1 : 2], at, depth);
  if (WRITERS[node.f] && /^(not_)?(equal|less|greater)/.test(node.f)) return constantPiece(evaluate(node, at));
  if (node.f === "add") return sumOf(node, (each) => inNumbers(each, at, depth + 1));
  if (node.f !== undefined) return (WRITERS[node.f] ?? called(node.f))(...node.a.map((each) => inNumbers(each, at, depth + 1)));
  if (depth > 2) return numberPiece(evaluate(node, at));
  return termsWritten(node, at, depth);
}

function termsWritten(node, at, depth) {
  const count = node.over.reduce((product, [, extent]) => product * extent, 1);
  const written = writtenOf(count);
  const parts = [];
  for (const inner of everyIndex(node.over, at)) {
    if (parts.length === written) break;
    parts.push(inNumbers(node.b, { ...inner }, depth + 2));
  }
  if (node.r === "max" || node.r === "min") return shortened(parts, count, called(node.r));
  if (!parts.length) return constantPiece(node.r === "prod" ? 1 : 0);
  return shortened(parts, count, node.r === "prod" ? WRITERS.multiply : WRITERS.add);
}

// What is equal, one after the other; a narrow window breaks the line before an equals sign.
function statement(parts) {
  const [left, ...others] = parts;
  const math = (inside) => `<math displaystyle="true"><mrow>${inside}</mrow></math>`;
  return {
    math: others.map((part, at) => math(`${at ? "" : left.math}${operator("=")}${part.math}`)).join(" "),
    text: parts.map((part) => part.text).join(" = "),
  };
}

// An equation for one element of what it defines: {math, text, result}, or null where the page lacks the numbers.
function writtenOut(equation, index) {
  const tree = equation.tree;
  if (!tree) return null;
  try {
    const at = indicesOf(tree.left, index);
    const result = evaluate(tree.right, at);
    const left = inSymbols({ e: tree.left.name, grad: tree.left.grad, at: tree.left.indices.map((name) => ({ i: name })) }, at);
    const parts = [left, inSymbols(tree.right, at)];
    const filled = inNumbers(tree.right, at);
    const grad = Boolean(namedArray({ e: tree.left.name, grad: tree.left.grad }).grad);
    const answer = numberPiece(result, { grad, ref: grad ? `g${equation.defines}` : `v${equation.defines}` });
    if (filled.text !== answer.text) parts.push(filled);
    parts.push(answer);
    return { ...statement(parts), result };
  } catch (problem) {
    if (problem instanceof Unknown) return null;
    throw problem;
  }
}
