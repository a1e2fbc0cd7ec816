// What is pointed at and what is chosen: one place that all views listen to.
//
// A reference names one thing in every view: v3 a value, g3 its gradient, s5 a step, b2 a layer.

const state = {
  pointed: null,
  pinned: null,
  // {value, grad, index} of the element whose own formula is shown.
  element: null,
  // Place in the sweep, null before it was started.
  position: null,
  opened: new Set([...data.boxes.filter((box) => box.open).map((box) => `box:${box.id}`), ...data.steps.filter((step) => step.open).map((step) => `step:${step.id}`)]),
  form: "index",
};

const listeners = new Map();
function when(event, listener) {
  if (!listeners.has(event)) listeners.set(event, []);
  listeners.get(event).push(listener);
}
const tell = (event, ...details) => (listeners.get(event) ?? []).forEach((listener) => listener(...details));

// view -> reference -> elements that light up for it.
const linked = new Map();
function link(view, element, ...refs) {
  if (!linked.has(view)) linked.set(view, new Map());
  const places = linked.get(view);
  for (const ref of refs) {
    if (!places.has(ref)) places.set(ref, new Set());
    places.get(ref).add(element);
  }
  return element;
}
const unlinkAll = (view) => linked.set(view, new Map());

// Links what carries data-ref inside of an element.
function linkInside(view, element) {
  for (const each of element.querySelectorAll("[data-ref]")) link(view, each, each.dataset.ref);
}

function elementsFor(view, ref) {
  const found = linked.get(view)?.get(ref);
  if (found?.size) return [...found];
  // What lies inside of something closed is shown by what is closed.
  const stand = standInFor(ref);
  return stand && stand !== ref ? [...(linked.get(view)?.get(stand) ?? [])] : [];
}

const refOfItem = (item) => item.replace(/^step:/, "s").replace(/^box:/, "b").replace(/^value:/, "v");

let lit = [];
function lightUp() {
  for (const [element, name] of lit) element.classList.remove(name);
  lit = [];
  const add = (ref, name) => {
    for (const view of linked.keys()) {
      for (const element of elementsFor(view, ref)) {
        element.classList.add(name);
        lit.push([element, name]);
      }
    }
  };
  if (state.pinned) add(state.pinned, "pinned");
  if (state.pointed) add(state.pointed, "lit");
  else if (state.pinned) add(state.pinned, "lit");
}

function pointAt(ref) {
  if (state.pointed === ref) return;
  state.pointed = ref;
  lightUp();
}

function pin(ref, from = null) {
  state.pinned = ref;
  if (!ref) state.element = null;
  else if (state.element && `v${state.element.value}` !== ref && `g${state.element.value}` !== ref) state.element = null;
  tell("pinned", ref);
  lightUp();
  if (ref) for (const view of linked.keys()) if (view !== from) reveal(view, ref);
}

const pinOrClear = (ref, from) => pin(state.pinned === ref ? null : ref, from);

function chooseElement(value, grad, index) {
  state.element = { value, grad, index };
  pin(`${grad ? "g" : "v"}${value}`, "numbers");
}

// Scrolls a view, and nothing but that view, to what stands for a reference.
function reveal(view, ref) {
  const found = elementsFor(view, ref);
  const defined = found.find((each) => each.classList.contains("equation"));
  const element = view === "formulas" ? defined ?? readers.get(ref) ?? found[0] : found[0];
  if (!element) return;
  // The numbers show what is chosen at their top, and the bar is always there.
  if (view === "numbers" || view === "detail" || view === "bar") return;
  if (view === "graph") {
    tell("reveal-in-graph", element);
    return;
  }
  const pane = element.closest(".scrolls");
  if (!pane) return;
  const place = element.getBoundingClientRect(), frame = pane.getBoundingClientRect();
  if (place.top < frame.top + 40 || place.bottom > frame.bottom - 20) {
    const there = pane.scrollTop + place.top - frame.top - frame.height / 3;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches || Math.abs(there - pane.scrollTop) > 4000;
    pane.scrollTo({ top: there, behavior: calm ? "auto" : "smooth" });
  }
}

// Tab reaches one of many elements; arrows lead from there to the others, and Enter or the space bar chooses.
// What is returned makes the first one that which Tab reaches.
function rove(view, holder, selector, columns = 1) {
  const steps = { ArrowUp: -columns, ArrowDown: columns, ...(columns > 1 && { ArrowLeft: -1, ArrowRight: 1 }) };
  let current = null;
  function reach(element) {
    if (current) current.tabIndex = -1;
    current = element;
    if (current) current.tabIndex = 0;
  }
  holder.addEventListener("focusin", ({ target }) => target.matches(selector) && reach(target));
  holder.addEventListener("keydown", (event) => {
    if (!event.target.matches(selector)) return;
    if (event.key === "Enter" || event.key === " ") pinOrClear(refUnder(event.target), view);
    else if (steps[event.key]) {
      const seen = [...holder.querySelectorAll(selector)].filter((each) => each.checkVisibility());
      seen[seen.indexOf(event.target) + steps[event.key]]?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return () => reach(holder.querySelector(selector));
}

const refUnder = (target) => target?.closest?.("[data-ref]")?.dataset.ref ?? null;

// Pointer, keyboard focus and touch all point in the same way.
function listenTo(root, view) {
  root.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "touch") pointAt(refUnder(event.target));
  });
  root.addEventListener("pointerleave", () => pointAt(null));
  root.addEventListener("focusin", (event) => {
    if (event.target.matches(":focus-visible")) pointAt(refUnder(event.target));
  });
  root.addEventListener("focusout", () => pointAt(null));
  root.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.target.closest("button, a, input, select, summary")) return;
    const ref = refUnder(event.target);
    if (ref) pinOrClear(ref, view);
  });
}
