// The arithmetic of one step, forward or backward, with its numbers: for an array, that of its leading element.

function arithmeticOf(step, phase) {
  return phase === "forward" ? forwardArithmetic(step) : backwardArithmetic(step);
}

function forwardArithmetic(step) {
  const parts = [];
  for (const id of step.outputs) {
    const value = values.get(id);
    const equation = step.forward.map((each) => equations.get(each)).find((each) => each?.defines === id);
    const index = leadingElement(value);
    const written = equation && writtenOut(equation, index);
    if (written) parts.push(written);
    else if (elementAt(value.array, index) !== undefined) {
      const left = symbolPiece(value, false, index.map(constantPiece));
      const right = numberPiece(elementAt(value.array, index), { grad: false, ref: `v${id}` });
      parts.push(statement([left, right]));
    }
  }
  return parts;
}

function backwardArithmetic(step) {
  const parts = [];
  // What the formulas pass over, as its value alone.
  const plain = [];
  const done = new Set();
  step.inputs.forEach((id, position) => {
    const value = values.get(id);
    // Of large arrays the page holds the whole gradient, but not each step's part of it.
    const contribution = step.contributions?.[position] ?? value.gradient;
    if (!contribution) return;
    const product = productOf(step, position, value, contribution);
    const equation = step.backward.map((each) => equations.get(each)).find((each) => each && each.kind !== "forward" && each.defines === id);
    if (product) {
      parts.push(product);
      // A formula that joins several steps, such as that of δ, besides.
      const whole = equation && stepsOfEquation.get(equation.id).size > 1 && !(value.shares?.length > 1) && writtenOut(equation, leadingElement(value, contribution));
      if (whole) parts.push(whole);
    } else if (!done.has(id)) {
      const index = leadingElement(value, contribution);
      const written = equation && writtenOut(equation, index);
      if (written) parts.push(written);
      else {
        const found = value.shares?.length > 1 && !step.contributions?.[position] ? undefined : elementAt(contribution, index);
        if (found !== undefined) {
          const left = symbolPiece(value, true, index.map(constantPiece));
          const right = numberPiece(found, { grad: true, ref: `g${id}` });
          plain.push(statement([left, right]));
        }
      }
    }
    done.add(id);
  });
  const sums = [...done].map((id) => sumAtBranch(step, values.get(id)));
  return [...parts, ...plain, ...sums.filter(Boolean)];
}

// upstream × local = contribution, where the step acts element by element.
function productOf(step, position, value, contribution) {
  const upstream = step.upstream?.find(Boolean), local = step.local?.[position];
  if (!step.elementwise || !upstream || !local) return null;
  const same = (one, other) => one.length === other.length && one.every((each, axis) => each === other[axis]);
  if (!same(upstream.shape, contribution.shape) || !same(local.shape, contribution.shape)) return null;
  const index = leadingElement(value, contribution);
  const [up, slope, result] = [upstream, local, contribution].map((array) => elementAt(array, index));
  if (up === undefined || slope === undefined || result === undefined) return null;
  const output = step.outputs[step.upstream.indexOf(upstream)];
  const left = symbolPiece(value, true, index.map(constantPiece));
  const named = (key, part) => `<munder>${part.math}<mtext class="under">${escaped(word(key))}</mtext></munder>`;
  const pieces = [numberPiece(up, { grad: true, ref: `g${output}` }), numberPiece(slope), numberPiece(result, { grad: true, ref: `g${value.id}` })];
  const product = piece(`${named("upstream", pieces[0])}${operator("×")}${named("local", pieces[1])}`,
    `${word("upstream")} ${pieces[0].text} × ${word("local")} ${pieces[1].text}`, PRODUCT);
  return statement([left, product, pieces[2]]);
}

// At a branch the contributions add up, once the last of them is there.
function sumAtBranch(step, value) {
  const shares = (value.shares ?? []).filter((share) => share.array);
  if (shares.length < 2) return null;
  const last = shares.map((share) => steps.get(share.step)).reduce((a, b) => (b.order < a.order ? b : a));
  if (last.id !== step.id) return null;
  const index = leadingElement(value);
  const numbers = shares.map((share) => elementAt(share.array, index));
  const total = elementAt(value.gradient, index);
  if (total === undefined || numbers.includes(undefined)) return null;
  // Of this element: its shares may be others than those of the whole array.
  const all = numbers.reduce((sum, each) => sum + Math.abs(each), 0);
  const written = shares.slice(0, 5);
  const left = symbolPiece(value, true, index.map(constantPiece));
  const pieces = written.map((share, at) => {
    const part = numberPiece(numbers[at], { grad: true, ref: `s${share.step}` });
    const shown = at && numbers[at] < 0 ? bracketed(part, PRODUCT) : part;
    const ofAll = percent(all ? Math.abs(numbers[at]) / all : 0);
    return { math: `<munder>${shown.math}<mtext class="under">${ofAll}</mtext></munder>`, text: `${shown.text} (${ofAll})` };
  });
  if (shares.length > 5) pieces.push({ math: `<mtext>… ${escaped(word("more", { count: shares.length - 5 }))}</mtext>`, text: `… ${word("more", { count: shares.length - 5 })}` });
  const answer = numberPiece(total, { grad: true, ref: `g${value.id}` });
  const sum = piece(pieces.map((each) => each.math).join(operator("+")), pieces.map((each) => each.text).join(" + "), SUM);
  return statement([left, sum, answer]);
}
