// The coordinates of the drawing, from the layout of the data and the sizes of nodes. It is placement.py again,
// as groups open and close here: the same rules and the same numbers, which a test compares.

const NARROW = 24, BETWEEN = 16, LINE = 10, BORDER = 14, HEADER = 26, STRAIGHT = 6, LEAF = 0.01, ENDS = 16, RESULTS_BELOW = 48, RESULTS_BESIDE = 94, BEND = 26;
const SWEEPS = ["reads", "users", "reads", "users", "both", "both"];
const isPoint = (item) => /^(way|in|out):/.test(item);

// {width, height, nodes, curves} of a layout. size(item, lines) gives [width, height] of a closed node,
// room(item, values) the length of line that is needed to write beside it, reach(item, values) how far that goes to the side.
function place(layout, size, opened, { across = true, room = () => 60, reach = () => 0 } = {}) {
  const scene = { nodes: [], curves: [] };
  const block = blockOf("");
  draw(block, 0, 0, 0, "");
  [scene.width, scene.height] = across ? [block.length, block.breadth] : [block.breadth, block.length];
  return scene;

  function blockOf(container) {
    const entries = layout[container];
    const links = entries.map(() => []);
    entries.forEach((entry, position) => entry.reads.forEach(([source, value]) => links[source].push([position, value])));
    const items = entries.map((entry, position) => itemOf(entry, links[position]));
    const block = { items, length: 0, breadth: 0, enters: new Map(), leaves: new Map() };
    const ranks = [];
    for (const item of items) (ranks[item.rank] ??= []).push(item);
    goAlong(block, ranks);
    goAcross(block, ranks);
    for (const item of items) {
      const [kind, rest] = item.item.split(":");
      if (kind === "in") block.enters.set(Number(rest), item.across);
      else if (kind === "out") block.leaves.set(Number(rest), item.across);
    }
    return block;
  }

  function itemOf({ item: name, rank, reads }, links) {
    // Of several results each is written beside its own line.
    const results = new Set(links.map(([, value]) => value)).size;
    const lines = Math.max(reads.length, results > 1 ? (across ? 3 : 6) * results : 0);
    const inner = opened.has(name) && layout[name]?.length ? blockOf(name) : null;
    let length, breadth;
    if (inner) {
      length = inner.length + 2 * BORDER + (across ? 0 : HEADER);
      breadth = inner.breadth + 2 * BORDER + (across ? HEADER : 0);
      const least = size(name, lines)[0];
      if (across) length = Math.max(length, least);
      else breadth = Math.max(breadth, least);
    } else if (isPoint(name)) [length, breadth] = [0, LINE];
    else {
      const [width, height] = size(name, lines);
      [length, breadth] = across ? [width, height] : [height, width];
    }
    const item = { item: name, rank, reads, length, breadth, inner, along: 0, across: 0, ahead: 0, first: 0, reach: 0, links };
    const leavers = leaving(item);
    if (leavers.length && !inner && !isPoint(name)) {
      item.first = leavingAt(item, leavers[0]);
      item.reach = leavingAt(item, leavers[leavers.length - 1]) + reach(name, leavers);
    }
    return item;
  }

  function goAlong(block, ranks) {
    let along = 0;
    ranks.forEach((rank, position) => {
      const length = Math.max(...rank.map((item) => item.length));
      const isOpened = rank.some((item) => item.inner);
      for (const item of rank) {
        // A leaf beside an opened container stands near its user, at the container's end.
        const atEnd = item.item.startsWith("in:") || (isOpened && item.item.startsWith("value:"));
        item.along = along + (length - item.length) * (atEnd ? 1 : 0.5);
        item.ahead = along;
      }
      along += length;
      // Of an opened container each value is written inside.
      const needed = rank.filter((item) => !isPoint(item.item) && !item.inner).map((item) => room(item.item, leaving(item)));
      if (position < ranks.length - 1) along += Math.max(NARROW, ...needed);
    });
    block.length = along;
  }

  function draw(block, along, acrossFrom, depth, container) {
    for (const item of block.items) {
      if (isPoint(item.item)) continue;
      let [x, y, width, height] = [along + item.along + item.length / 2, acrossFrom + item.across, item.length, item.breadth];
      if (!across) [x, y, width, height] = [y, x, height, width];
      scene.nodes.push({ item: item.item, x, y, width, height, depth, container, isOpen: item.inner !== null });
      if (item.inner) {
        const [start, side] = inside(item);
        draw(item.inner, along + start, acrossFrom + side, depth + 1, item.item);
      }
    }
    for (const item of block.items) {
      const ports = portsOf(block, item);
      item.reads.forEach(([source, value], position) => {
        const begin = block.items[source];
        let [a0, c0] = [along + begin.along + begin.length, acrossFrom + begin.across + leavingAt(begin, value)];
        let [a1, c1] = [along + item.along, acrossFrom + item.across + ports[position]];
        const far = item.rank - begin.rank > 1;
        const bend = far ? (a0 + a1) / 2 : Math.max(a0, along + item.ahead - BEND);
        if (!across) [a0, c0, a1, c1] = [c0, a0, c1, a1];
        const starts = !isPoint(begin.item) && begin.inner === null;
        const ends = !isPoint(item.item) && item.inner === null;
        scene.curves.push({ value, source: begin.item, target: item.item, x0: a0, y0: c0, x1: a1, y1: c1, bend, starts, ends, far, nth: item.reads.slice(0, position).filter(([, each]) => each === value).length });
        if (item.inner) crossBorder(item, value, [a1, c1], along, acrossFrom, true);
      });
    }
    for (const item of block.items) {
      if (!item.inner) continue;
      for (const value of item.inner.leaves.keys()) {
        const end = [along + item.along + item.length, acrossFrom + item.across + leavingAt(item, value)];
        crossBorder(item, value, across ? end : [end[1], end[0]], along, acrossFrom, false);
      }
    }
  }

  function crossBorder(item, value, border, along, acrossFrom, entering) {
    const [start, side] = inside(item);
    const points = entering ? item.inner.enters : item.inner.leaves;
    if (!points.has(value)) return;
    let point = [along + start + (entering ? 0 : item.inner.length), acrossFrom + side + points.get(value)];
    if (!across) point = [point[1], point[0]];
    const [begin, end] = entering ? [border, point] : [point, border];
    scene.curves.push({ value, source: item.item, target: item.item, x0: begin[0], y0: begin[1], x1: end[0], y1: end[1], bend: begin[across ? 0 : 1], starts: false, ends: false });
  }

  function inside(item) {
    let [start, side] = [item.along + BORDER, item.across - item.inner.breadth / 2];
    if (across) {
      start += (item.length - 2 * BORDER - item.inner.length) / 2;
      side += HEADER / 2;
    } else start += HEADER;
    return [start, side];
  }

  // The values that leave an item.
  function leaving(item) {
    return [...new Set(item.links.map(([, value]) => value))].sort((a, b) => a - b);
  }

  function leavingAt(item, value) {
    if (item.inner) return inside(item)[1] + (item.inner.leaves.get(value) ?? item.inner.breadth / 2) - item.across;
    const leavers = leaving(item);
    return spread(leavers.indexOf(value), leavers.length, item.breadth, across ? RESULTS_BELOW : RESULTS_BESIDE);
  }

  function portsOf(block, item) {
    if (isPoint(item.item)) return item.reads.map(() => 0);
    if (item.inner) {
      const side = inside(item)[1] - item.across;
      return item.reads.map(([, value]) => side + (item.inner.enters.get(value) ?? item.inner.breadth / 2));
    }
    const came = item.reads.map((_, position) => position).sort((a, b) => {
      const [one, other] = [item.reads[a], item.reads[b]];
      return block.items[one[0]].across - block.items[other[0]].across || one[1] - other[1] || a - b;
    });
    const ports = [];
    came.forEach((read, position) => { ports[read] = spread(position, came.length, item.breadth); });
    return ports;
  }
}

const spread = (position, count, breadth, most = ENDS) => (position - (count - 1) / 2) * Math.min(most, breadth / Math.max(count, 1));

function goAcross(block, ranks) {
  for (const rank of ranks) {
    rank.forEach((item, position) => {
      const before = rank[position - 1];
      item.across = before ? before.across + distance(before, item) : item.breadth / 2;
    });
    const last = rank[rank.length - 1];
    const middle = (last.across + last.breadth / 2) / 2;
    for (const item of rank) item.across -= middle;
  }
  for (const sweep of SWEEPS) for (const rank of sweep === "users" ? [...ranks].reverse() : ranks) settle(block, rank, sweep);
  let least = Infinity;
  for (const item of block.items) least = Math.min(least, item.across - item.breadth / 2);
  for (const item of block.items) {
    item.across -= least;
    block.breadth = Math.max(block.breadth, item.across + Math.max(item.breadth / 2, item.reach));
  }
}

// The least between the middles of neighbours: that of their nodes, and of what is written and a line.
function distance(one, other) {
  const written = one.reach + (other.inner ? other.breadth / 2 : -other.first);
  return Math.max((one.breadth + other.breadth) / 2 + BETWEEN, written);
}

// Pool adjacent violators: the places nearest to those wanted that keep order and distance.
function settle(block, rank, sweep) {
  const pools = [], offsets = [];
  let offset = 0;
  rank.forEach((item, position) => {
    if (position) offset += distance(rank[position - 1], item);
    offsets.push(offset);
    let total = 0, weight = 0;
    const neighbours = [...(sweep === "users" ? [] : item.reads), ...(sweep === "reads" ? [] : item.links)];
    for (const [position] of neighbours) {
      const other = block.items[position];
      let strength = item.item.startsWith("value:") || other.item.startsWith("value:") ? LEAF : 1;
      if (isPoint(item.item) && isPoint(other.item)) strength = STRAIGHT;
      total += strength * other.across;
      weight += strength;
    }
    let pool = { mean: (weight ? total / weight : item.across) - offset, weight: weight || 0.01, count: 1 };
    while (pools.length && pools[pools.length - 1].mean > pool.mean) {
      const other = pools.pop();
      const sum = pool.weight + other.weight;
      pool = { mean: (pool.mean * pool.weight + other.mean * other.weight) / sum, weight: sum, count: pool.count + other.count };
    }
    pools.push(pool);
  });
  let position = 0;
  for (const pool of pools) {
    for (let i = 0; i < pool.count; i++, position++) rank[position].across = pool.mean + offsets[position];
  }
}
