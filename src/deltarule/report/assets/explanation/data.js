// The page's data, found by number, and the words of its language.

// Long data come deflated: {"packed": base64 of a deflated JSON text} beside what is not.
async function unpacked(given) {
  if (!given.packed) return given;
  const stream = new Blob([bytesOf(given.packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return { ...given, ...JSON.parse(await new Response(stream).text()) };
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const data = await unpacked(JSON.parse(document.getElementById("data").textContent));

const byNumber = (list) => new Map(list.map((each) => [each.id, each]));
const values = byNumber(data.values);
const steps = byNumber(data.steps);
const boxes = byNumber(data.boxes);
const equations = byNumber(data.equations);
const valueNamed = new Map(data.values.map((value) => [value.name, value]));
const gradientNamed = new Map(data.values.map((value) => [value.gradientName ?? `grad_${value.name}`, value]));
const legendOf = new Map(data.legend.map((entry) => [entry.ref, entry]));

// Intermediates of formulas, which are no values of the graph: found by the formula that defines them.
const definedNamed = new Map();
// Equation -> steps that it speaks of.
const stepsOfEquation = new Map(data.equations.map((equation) => [equation.id, new Set()]));
for (const equation of data.equations) {
  if (equation.step !== null) stepsOfEquation.get(equation.id).add(equation.step);
  if (equation.tree && equation.defines === null) definedNamed.set(equation.tree.left.name, equation.tree);
  for (const helper of equation.helpers ?? []) definedNamed.set(helper.left.name, helper);
}
for (const step of data.steps) {
  for (const number of [...step.forward, ...step.backward]) stepsOfEquation.get(number)?.add(step.id);
}

// A word of the page, with {places} filled in.
function word(key, places = {}) {
  const text = data.words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in places ? places[name] : whole));
}

// An element with attributes and children; text is text. `on` holds listeners.
function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(element, { on = {}, ...attributes }, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(key, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.filter(isThereToShow));
  return element;
}

const isThereToShow = (child) => child !== null && child !== undefined && child !== false;

// Text that may be broken behind the dots and lines of names.
const breakable = (text) => text.split(/(?<=[._])/).flatMap((part, position) => (position ? [make("wbr"), part] : [part]));

// MathML of the data is made and escaped by the writer of the page.
function formula(markup, attributes = {}) {
  const holder = make("span", attributes);
  holder.innerHTML = markup;
  return holder;
}

const insideMath = (markup) => markup.replace(/^<math[^>]*>/, "").replace(/<\/math>$/, "");

function gradientMath(value) {
  if (value.gradientMath) return value.gradientMath;
  return `<math>${fractionOf(insideMath(value.math))}</math>`;
}

// ∂L/∂ of a letter, with the letter of what was derived above.
const lossValue = values.get(data.loss);
const partial = (letter) => `<mrow><mo form="prefix" rspace="0">∂</mo>${letter}</mrow>`;
const fractionOf = (letter) => `<mfrac>${partial(insideMath(lossValue.math))}${partial(letter)}</mfrac>`;
const gradientPlain = (value) => value.gradientPlain ?? `∂${lossValue.plain}/∂${value.plain ?? value.name}`;
