// Which steps are seen, given the groups and layers that are open.

const childrenOf = (step) => (step.children?.length ? step.children : []);
const topSteps = data.steps.filter((step) => step.parent === null).sort((a, b) => a.order - b.order);
const hasInside = (item) => Boolean(data.layout[item]?.length);

let frontier = [];
let frontierPlace = new Map();
function findFrontier() {
  frontier = [];
  const add = (step) => {
    const inner = childrenOf(step);
    if (inner.length && state.opened.has(`step:${step.id}`)) inner.map((id) => steps.get(id)).sort((a, b) => a.order - b.order).forEach(add);
    else frontier.push(step);
  };
  topSteps.forEach(add);
  frontierPlace = new Map(frontier.map((step, place) => [step.id, place]));
}
findFrontier();

// The step of the frontier that a step is, or is inside of.
function shownStep(step) {
  let found = step;
  for (let each = step; each.parent !== null && each.parent !== undefined; ) {
    each = steps.get(each.parent);
    if (!state.opened.has(`step:${each.id}`)) found = each;
  }
  return found;
}

function itemsAround(step) {
  const names = [];
  let box = step.box, owner = step;
  names.push(`step:${step.id}`);
  for (;;) {
    for (; box !== null && box !== undefined; box = boxes.get(box)?.parent) names.push(`box:${box}`);
    if (owner.parent === null || owner.parent === undefined) return names.reverse();
    owner = steps.get(owner.parent);
    names.push(`step:${owner.id}`);
    box = owner.box;
  }
}

// What shows a thing that is inside something closed: a reference, or null.
function standInFor(ref) {
  const id = Number(ref.slice(1));
  let step = null;
  if (ref[0] === "s") step = steps.get(id);
  else if (ref[0] === "v" || ref[0] === "g") {
    const value = values.get(id);
    step = steps.get(value?.madeBy ?? value?.usedBy[0]);
    if (value && value.madeBy === null && value.parent !== null) step = steps.get(value.parent);
  } else if (ref[0] === "b") {
    step = data.steps.find((each) => itemsAround(each).includes(`box:${id}`));
  }
  if (!step) return null;
  for (const item of itemsAround(step)) if (hasInside(item) && !state.opened.has(item)) return refOfItem(item);
  return ref[0] === "s" ? null : `s${shownStep(step).id}`;
}

function toggle(item, open = !state.opened.has(item)) {
  if (!hasInside(item)) return;
  if (open) state.opened.add(item);
  else state.opened.delete(item);
  findFrontier();
  tell("opened", item);
  lightUp();
}
