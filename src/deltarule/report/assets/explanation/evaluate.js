// Formulas in index form, computed for one element at a time from the numbers of the page.

const FUNCTIONS = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  floor_divide: (a, b) => Math.floor(a / b),
  remainder: (a, b) => a - Math.floor(a / b) * b,
  pow: (a, b) => a ** b,
  positive: (a) => a,
  negative: (a) => -a,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  log2: Math.log2,
  log10: Math.log10,
  sqrt: Math.sqrt,
  square: (a) => a * a,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  atan2: Math.atan2,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  round: (a) => (Math.abs(a % 1) === 0.5 ? 2 * Math.round(a / 2) : Math.round(a)),
  erf: errorFunction,
  sigmoid: (a) => (a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a))),
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
  maximum: Math.max,
  minimum: Math.min,
  hypot: Math.hypot,
  where: (condition, chosen, otherwise) => (condition ? chosen : otherwise),
  equal: (a, b) => Number(a === b),
  not_equal: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  less_equal: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greater_equal: (a, b) => Number(a >= b),
  logical_and: (a, b) => Number(Boolean(a) && Boolean(b)),
  logical_or: (a, b) => Number(Boolean(a) || Boolean(b)),
  logical_not: (a) => Number(!a),
};

// Series for small arguments, continued fraction (Lentz's method) for large: near the precision of doubles.
// Source: Abramowitz & Stegun 1964, 7.1.5 and 7.1.14.
function errorFunction(x) {
  const size = Math.abs(x);
  if (size < 2.5) {
    let sum = x, part = x;
    for (let n = 1; n < 80 && Math.abs(part) > 1e-18; n++) {
      part *= -(x * x) / n;
      sum += part / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  if (size > 6) return Math.sign(x);
  let tail = size;
  for (let n = 60; n >= 1; n--) tail = size + n / 2 / tail;
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * tail));
}

// Terms that one number may be the sum of; beyond it the page would stand still.
const MOST_TERMS = 120_000;

class Unknown extends Error {}

// The number that a formula gives, at indices; throws Unknown where the page lacks an element of it.
function evaluate(node, at, budget = { left: MOST_TERMS }) {
  if (node.n !== undefined) return number(node.n);
  if (node.i !== undefined) {
    if (at[node.i] === undefined) throw new Unknown(node.i);
    return at[node.i];
  }
  if (node.e !== undefined) return elementOf(node, at, budget);
  if (node.f !== undefined) {
    // Only the branch that counts is computed: the other one may read beyond an edge.
    if (node.f === "where") return evaluate(node.a[evaluate(node.a[0], at, budget) ? 1 : 2], at, budget);
    const known = FUNCTIONS[node.f];
    if (!known) throw new Unknown(node.f);
    return known(...node.a.map((each) => evaluate(each, at, budget)));
  }
  return reduced(node, at, (value) => value, budget);
}

const REDUCTIONS = {
  sum: [0, (total, each) => total + each],
  prod: [1, (total, each) => total * each],
  max: [-Infinity, Math.max],
  min: [Infinity, Math.min],
};

function reduced(node, at, seen, budget) {
  const [start, join] = REDUCTIONS[node.r];
  let total = start;
  for (const inner of everyIndex(node.over, at)) {
    if (--budget.left < 0) throw new Unknown("too long");
    total = join(total, seen(evaluate(node.b, inner, budget)));
  }
  return total;
}

function* everyIndex(over, at) {
  const inner = { ...at };
  const extents = over.map(([, extent]) => extent);
  const count = extents.reduce((product, extent) => product * extent, 1);
  for (let k = 0; k < count; k++) {
    const index = indexOf(extents, k);
    over.forEach(([name], axis) => { inner[name] = index[axis]; });
    yield inner;
  }
}

function elementOf(node, at, budget) {
  const index = node.at.map((each) => Math.trunc(evaluate(each, at, budget)));
  const { array } = namedArray(node);
  const tree = array ? null : definedNamed.get(node.e);
  if (!array && !tree) throw new Unknown(node.e);
  const shape = array ? array.shape : tree.left.extents;
  if (!index.every((each, axis) => each >= 0 && each < shape[axis])) {
    if (node.outside === null || node.outside === undefined) throw new Unknown(node.e);
    return number(node.outside);
  }
  if (tree) return evaluate(tree.right, indicesOf(tree.left, index), budget);
  const found = elementAt(array, index);
  if (found === undefined) throw new Unknown(node.e);
  return found;
}

// The array that a name of a formula stands for, and whose it is.
function namedArray(node) {
  if (node.grad) {
    const value = valueNamed.get(node.e) ?? gradientNamed.get(node.e);
    return { value, array: value?.gradient, grad: true };
  }
  const value = valueNamed.get(node.e);
  if (value) return { value, array: value.array, grad: false };
  const owner = gradientNamed.get(node.e);
  return { value: owner, array: owner?.gradient, grad: Boolean(owner) };
}

const indicesOf = (left, index) => Object.fromEntries(left.indices.map((name, axis) => [name, index[axis]]));
