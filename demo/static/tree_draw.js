// The tree as an SVG. Every branch is a button that the arrow keys reach; its pruned children fold into a count beside it.

const SVG_SPACE = new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg").namespaceURI;

function makeSvg(tag, className, content, attributes) {
  const node = document.createElementNS(SVG_SPACE, tag);
  if (className) node.setAttribute("class", className);
  if (typeof content === "string") node.textContent = content;
  else if (content) node.append(...content);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  return node;
}

// Widths of labels, in the font the stylesheet gives them.
function labelMeasure() {
  const context = document.createElement("canvas").getContext("2d");
  return (text, margin) => {
    context.font = '700 15px "Source Sans Pro", system-ui, sans-serif';
    const width = context.measureText(text).width;
    context.font = '12px "Source Sans Pro", system-ui, sans-serif';
    return Math.ceil(width + (margin === false ? 0 : context.measureText(marginText(margin)).width + 6));
  };
}

// With a third digit where two would say nothing.
function marginDigits(margin) {
  return margin.toFixed(margin < 0.01 ? 3 : 2);
}

function marginText(margin) {
  return `−${marginDigits(margin)}`;
}

function branchLabel(desk, branch) {
  const word = branch.word || desk.t("stop_short");
  return word.length > LONGEST_LABEL ? `${word.slice(0, LONGEST_LABEL - 1)}…` : word;
}

// What became of a branch, in words.
function fateText(desk, branch) {
  const values = { step: branch.step + 1, margin: marginDigits(branch.margin), death: branch.lives + 2 };
  if (branch.fate !== "kept") return desk.t(`fate_${branch.fate}`, values);
  return desk.t(branch.lives === Infinity ? "fate_kept" : "fate_died", values);
}

function branchText(desk, tree, branch, open) {
  const parts = [
    phrase(wordsOf(tree, branch)) + (branch.word ? "" : ` ${desk.t("stop")}`),
    desk.t("branch_numbers", { probability: percent(Math.exp(branch.logProb)), total: signed(branch.total) }),
    fateText(desk, branch),
  ];
  if (branch.pruned.length) parts.push(desk.t(open ? "fan_open" : "fan_closed", { count: branch.pruned.length }));
  return parts.join(". ");
}

function drawEdge(from, to, className) {
  const bend = 0.6 * (to.x - from.out); // past the whole column before it turns, so that it crosses no label
  const d = `M${from.right} ${from.y}H${from.out}C${from.out + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`;
  return makeSvg("path", className, null, { d });
}

function drawBranch(desk, tree, branch, spot, open) {
  const pruned = branch.fate === "pruned";
  const height = (pruned ? TREE.prunedRow : TREE.row) - 3;
  const share = Math.exp(branch.logProb);
  const label = branchLabel(desk, branch);
  const parts = [
    makeSvg("rect", "sw-branch-box", null, { x: 0, y: -height / 2, width: spot.width, height, rx: 8 }),
    makeSvg("text", "sw-branch-word", label, { x: 8, y: pruned ? 5 : 3, ...(branch.word ? { lang: CAPTION_LANGUAGE } : {}) }),
  ];
  if (pruned) {
    parts.push(makeSvg("text", "sw-branch-margin", marginText(branch.margin), { x: spot.width - 8, y: 5 }));
  } else {
    const bar = { x: 8, y: 8, height: 3, rx: 1.5 };
    parts.push(makeSvg("rect", "sw-branch-track", null, { ...bar, width: spot.width - 16 }));
    parts.push(makeSvg("rect", "sw-branch-share", null, { ...bar, width: Math.max(1, share * (spot.width - 16)) }));
  }
  if (branch.pruned.length) {
    const fan = { x: spot.width + 2, y: -12, width: TREE.fan - 2, height: 24, rx: 12 };
    parts.push(makeSvg("g", "sw-fan", [
      makeSvg("rect", null, null, fan),
      makeSvg("text", null, open ? "−" : `+${branch.pruned.length}`, { x: fan.x + fan.width / 2, y: 4 }),
    ], { "data-fan": branch.id, "aria-hidden": "true" }));
  }
  const attributes = {
    transform: `translate(${spot.x} ${spot.y})`, role: "button", tabindex: -1, "data-id": branch.id,
    "aria-label": branchText(desk, tree, branch, open), "aria-pressed": "false",
  };
  if (branch.pruned.length) attributes["aria-expanded"] = String(open);
  return makeSvg("g", `sw-branch sw-fate-${branch.fate}`, parts, attributes);
}

// A drawing: { svg, layout, groups (one per column), nodes and edges (branch -> SVG element) }.
// open: whether a branch's pruned children are all on show.
function drawTree(desk, tree, shows, open, measure) {
  const layout = layOutTree(tree, shows, (branch) => branchLabel(desk, branch), measure);
  const [nodes, edges] = [new Map(), new Map()];
  const root = { right: TREE.start, out: TREE.start, y: layout.startY };
  const groups = layout.columns.map(({ x, branches }, step) => {
    const lines = branches.map((branch) => {
      const from = step ? layout.spots.get(tree.branches[branch.parent]) : root;
      edges.set(branch, drawEdge(from, layout.spots.get(branch), `sw-edge sw-fate-${branch.fate}`));
      return edges.get(branch);
    });
    const buttons = branches.map((branch) => {
      nodes.set(branch, drawBranch(desk, tree, branch, layout.spots.get(branch), open(branch)));
      return nodes.get(branch);
    });
    const number = makeSvg("text", "sw-column-number", String(step + 1), { x: x + 8, y: 18, "aria-hidden": "true" });
    return makeSvg("g", "sw-column", [number, ...lines, ...buttons]);
  });
  const start = makeSvg("circle", "sw-tree-start", null, { cx: TREE.start - 8, cy: layout.startY, r: 6 });
  const svg = makeSvg("svg", "sw-tree", [start, ...groups], {
    width: Math.ceil(layout.width), height: Math.ceil(layout.height), role: "group", "aria-label": desk.t("tree_label"),
  });
  return { svg, layout, groups, nodes, edges };
}
