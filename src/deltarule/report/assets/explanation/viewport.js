// The part of the drawing that is seen: it moves and zooms by the view box, with a wheel, pointers and buttons.

// Around the drawing, and the least scale at which its small letters can still be read.
const MARGIN = 18, READABLE = 0.72;

// The scale at which all of a scene is seen.
function scaleOf(scene, canvas) {
  const [width, height] = [canvas.clientWidth || 600, canvas.clientHeight || 400];
  return Math.min(width / (scene.width + 2 * MARGIN), height / (scene.height + 2 * MARGIN));
}

function buildViewport(canvas) {
  const scaleNow = () => canvas.clientWidth / graphView.box.width;

  function show() {
    const { x, y, width, height } = graphView.box;
    canvas.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
  }

  // The whole where it stays readable, else its end, from which gradients come.
  function fit(whole = false) {
    const [width, height] = [canvas.clientWidth || 600, canvas.clientHeight || 400];
    const [w, h] = [graphView.scene.width + 2 * MARGIN, graphView.scene.height + 2 * MARGIN];
    const ideal = scaleOf(graphView.scene, canvas);
    // Where one has to pan anyway, along the drawing, letters may be larger, as far as it fits across.
    const side = graphView.across ? height / h : width / w;
    const readable = ideal < READABLE ? Math.max(READABLE, Math.min(side, 0.85)) : ideal;
    const scale = Math.min(1.6, whole ? ideal : readable);
    graphView.box = { width: width / scale, height: height / scale };
    const [spareX, spareY] = [graphView.box.width - w, graphView.box.height - h];
    graphView.box.x = -MARGIN - spareX / 2;
    graphView.box.y = -MARGIN - spareY / 2;
    // What is too large ends in the picture where the computation does.
    const end = lastNode();
    if (spareX < -1) graphView.box.x = graphView.across ? -MARGIN - spareX : end.x - graphView.box.width / 2;
    if (spareY < -1) graphView.box.y = graphView.across ? end.y - graphView.box.height / 2 : -MARGIN - spareY;
    show();
  }

  // The loss, which is the last of the drawing.
  function lastNode() {
    const closed = graphView.scene.nodes.filter((node) => !node.isOpen);
    return closed.reduce((a, b) => ((graphView.across ? b.x > a.x : b.y > a.y) ? b : a));
  }

  // The node at which a container begins.
  function firstInside(container) {
    const closed = graphView.scene.nodes.filter((node) => !node.isOpen && node.container === container);
    const own = closed.filter((node) => !node.item.startsWith("value:"));
    const first = (list) => list.reduce((a, b) => ((graphView.across ? b.x < a.x : b.y < a.y) ? b : a));
    return closed.length ? first(own.length ? own : closed) : graphView.scene.nodes.find((node) => node.item === container);
  }

  function zoom(factor, clientX = null, clientY = null) {
    const frame = canvas.getBoundingClientRect();
    const { box } = graphView;
    const scale = scaleNow() * factor;
    if (scale > 6 || scale < 0.02) return;
    const [fx, fy] = clientX === null ? [0.5, 0.5] : [(clientX - frame.left) / frame.width, (clientY - frame.top) / frame.height];
    box.x += box.width * fx * (1 - 1 / factor);
    box.y += box.height * fy * (1 - 1 / factor);
    box.width /= factor;
    box.height /= factor;
    show();
  }

  function pan(dx, dy) {
    graphView.box.x -= dx / scaleNow();
    graphView.box.y -= dy / scaleNow();
    show();
  }

  function isWhole() {
    return graphView.box.width >= graphView.scene.width && graphView.box.height >= graphView.scene.height;
  }

  canvas.addEventListener("wheel", (event) => {
    const pageScrolls = matchMedia("(max-width: 56.25rem)").matches;
    if (!event.ctrlKey && (pageScrolls || isWhole())) return;
    event.preventDefault();
    if (event.ctrlKey) zoom(Math.exp(-event.deltaY / 200), event.clientX, event.clientY);
    else if (event.shiftKey) pan(-event.deltaY, 0);
    else pan(-event.deltaX, -event.deltaY);
  }, { passive: false });

  // One pointer moves the drawing, two zoom it.
  const held = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (held.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved < 5 && held.size === 1) return;
    if (!canvas.hasPointerCapture(event.pointerId)) canvas.setPointerCapture(event.pointerId);
    if (held.size === 2) {
      const other = [...held].find(([id]) => id !== event.pointerId)[1];
      const [was, is] = [Math.hypot(before.x - other.x, before.y - other.y), Math.hypot(event.clientX - other.x, event.clientY - other.y)];
      pan(dx / 2, dy / 2);
      if (was > 10) zoom(is / was, (event.clientX + other.x) / 2, (event.clientY + other.y) / 2);
    } else pan(dx, event.pointerType === "touch" ? 0 : dy);
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  const release = (event) => held.delete(event.pointerId);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, release);

  // Moves the drawing as little as needed, so that a node can be seen.
  function bringIn(node) {
    const { box } = graphView;
    const reach = (start, length, from, size) => {
      const margin = Math.min(30, length / 8);
      if (size > length - 2 * margin) return from - margin;
      if (from - margin < start) return from - margin;
      return from + size + margin > start + length ? from + size + margin - length : start;
    };
    box.x = reach(box.x, box.width, node.x - node.width / 2, node.width);
    box.y = reach(box.y, box.height, node.y - node.height / 2, node.height);
    show();
  }

  // Brings in what stands for something chosen; nearer, where it would be too small to be seen.
  function bringNear(element) {
    const place = element.getBBox();
    if (scaleNow() < 0.35) {
      const [width, height] = [canvas.clientWidth / 0.8, canvas.clientHeight / 0.8];
      graphView.box = { x: place.x + (place.width - width) / 2, y: place.y + (place.height - height) / 2, width, height };
    }
    bringIn({ x: place.x + place.width / 2, y: place.y + place.height / 2, width: place.width, height: place.height });
  }

  // Paper shows all of the drawing.
  let seen = null;
  when("print", () => {
    const { width, height } = graphView.scene;
    seen = graphView.box;
    graphView.box = { x: -MARGIN, y: -MARGIN, width: width + 2 * MARGIN, height: height + 2 * MARGIN };
    show();
  });
  addEventListener("afterprint", () => {
    graphView.box = seen;
    show();
  });

  let width = canvas.clientWidth;
  new ResizeObserver(() => {
    if (Math.abs(canvas.clientWidth - width) < 2 || matchMedia("print").matches) return show();
    width = canvas.clientWidth;
    fit();
  }).observe(canvas);

  // Whether the pointer moved the drawing since it went down: such a click chooses nothing.
  function wasDragged() {
    const dragged = moved > 5;
    moved = 0;
    return dragged;
  }

  return { fit, zoom, bringIn, bringNear, firstInside, isWhole, wasDragged };
}
