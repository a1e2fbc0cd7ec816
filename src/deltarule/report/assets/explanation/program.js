// The code: forward and backward as one would write them by hand; every line belongs to a step.

const KEYWORDS = /^(import|as|from|def|return|for|in|if|else|elif|and|or|not|range|len|None|True|False|lambda|with|while|print)$/;
const PIECES = /(#.*$)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(\d+\.?\d*(?:e[+-]?\d+)?)/g;

function buildCode(pane) {
  const lines = data.code.map((line, position) => {
    const element = make("div", { class: `line ${line.part}`, "data-line": position }, ...highlighted(line.text, new Set(line.refs)));
    const refs = line.steps.map((id) => `s${id}`);
    if (refs.length) {
      element.dataset.ref = refs[0];
      element.tabIndex = -1;
    }
    link("code", element, ...refs);
    linkInside("code", element);
    // What a line defines lights up the line, not only the name in it.
    const [first] = line.refs;
    if (first) link("code", element, first);
    return element;
  });
  const copied = make("span", { class: "note", role: "status" });
  const copy = make("button", { type: "button", on: { click: copyAll } }, word("copy"));
  pane.append(make("div", { class: "bar" }, make("p", { class: "note" }, word("code_note")), copy, copied),
    make("div", { class: "program code", role: "group", "aria-label": word("code") }, ...lines));
  rove("code", pane, ".line[data-ref]")();
  const loads = data.code.map((line) => /np\.load\("([^"]+)"\)/.exec(line.text)).find(Boolean);
  if (loads) {
    // What stands between the marks is code.
    const parts = word("code_arrays", { file: loads[1] }).split("`");
    pane.append(make("p", { class: "note" }, ...parts.map((part, position) => (position % 2 ? make("code", {}, part) : part))));
  }

  async function copyAll() {
    const text = data.code.map((line) => line.text).join("\n") + "\n";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A page opened from disk may not: the older way.
      const area = make("textarea", { class: "heard" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    copied.textContent = word("copied");
    setTimeout(() => { copied.textContent = ""; }, 2000);
  }

  // Names light up where they stand for a value of the computation, not for an argument of a function of its own.
  function highlighted(text, refs) {
    const parts = [];
    const refOf = (name) => {
      const [value, owner] = [valueNamed.get(name), gradientNamed.get(name)];
      return [value && `v${value.id}`, owner && `g${owner.id}`].find((ref) => refs.has(ref));
    };
    let end = 0;
    for (const match of text.matchAll(PIECES)) {
      parts.push(text.slice(end, match.index));
      end = match.index + match[0].length;
      const [whole, comment, string, name, digits] = match;
      const ref = name && text[match.index - 1] !== "." ? refOf(name) : null;
      if (comment) parts.push(make("span", { class: "comment" }, whole));
      else if (string) parts.push(make("span", { class: "string" }, whole));
      else if (digits) parts.push(make("span", { class: "digits" }, whole));
      else if (KEYWORDS.test(name)) parts.push(make("span", { class: "keyword" }, whole));
      else if (ref) parts.push(make("span", { class: ref[0] === "g" ? "name of-gradient" : "name", "data-ref": ref }, whole));
      else parts.push(whole);
    }
    parts.push(text.slice(end));
    if (!text) parts.push("\u200b");
    return parts;
  }

  when("stepped", (now) => {
    for (const each of pane.querySelectorAll(".line.now")) each.classList.remove("now");
    if (!now?.step) return;
    const wanted = now.kind === "forward" ? "forward" : "backward";
    const own = lines.filter((line, position) => data.code[position].part === wanted && data.code[position].steps.some((id) => id === now.step.id || isAround(id, now.step)));
    own.forEach((line) => line.classList.add("now"));
    if (own.length) scrollInto(own[0]);
  });
  const isAround = (id, step) => {
    for (let each = step; each; each = steps.get(each.parent)) if (each.id === id) return true;
    return false;
  };
  listenTo(pane, "code");
}
