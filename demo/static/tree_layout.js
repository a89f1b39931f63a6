// The search's tree as the page tells it: what became of every branch, which branches are on show, where each one lies.

const BRANCH_FATES = { g: "given", k: "kept", f: "finished", p: "pruned", c: "cut" };
const NEAREST = 2; // pruned branches of each word that are shown unasked: those that nearly stayed
const LONGEST_LABEL = 16; // characters
const TREE = { row: 32, prunedRow: 25, gap: 44, top: 34, edge: 14, start: 26, fan: 30 }; // pixels

// The tree of one width, or null where there is none. A branch: id, step (0-based), parent, word ("" ends the caption),
// probability, total (log-probability of all its words), fate, margin, glimpse, taken and pruned (its children, best
// first), lives (the last step at which something of it was in the beam; a caption that was found lives for ever).
function readTree(view, width) {
  const columns = view.trees && view.trees.widths[width];
  if (!columns || !columns.steps.length) return null;
  const branches = columns.steps.map((step, id) => ({
    id, step, parent: columns.parents[id], word: view.trees.words[columns.words[id]],
    logProb: columns.log_probs[id], fate: BRANCH_FATES[columns.fates[id]], margin: columns.margins[id],
    glimpse: columns.glimpses[id], total: columns.log_probs[id], lives: step, taken: [], pruned: [],
  }));
  const roots = [];
  const steps = [];
  for (const branch of branches) { // parents come before their children
    const parent = branches[branch.parent];
    if (parent) branch.total += parent.total;
    if (branch.fate === "finished" || branch.fate === "cut") branch.lives = Infinity;
    if (!parent) roots.push(branch);
    else (branch.fate === "pruned" ? parent.pruned : parent.taken).push(branch);
    (steps[branch.step] = steps[branch.step] || []).push(branch);
  }
  for (const branch of [...branches].reverse()) {
    const parent = branches[branch.parent];
    if (parent && branch.fate !== "pruned") parent.lives = Math.max(parent.lives, branch.lives);
  }
  for (const branch of branches) branch.pruned.sort((a, b) => a.margin - b.margin);
  for (const branch of branches) branch.taken.sort((a, b) => b.total - a.total);
  const nearest = steps.map((step) => step.filter((branch) => branch.fate === "pruned")
    .sort((a, b) => a.margin - b.margin).slice(0, NEAREST));
  return { branches, roots, steps, nearest: new Set(nearest.flat()), last: steps.length - 1 };
}

// The branches from the first word to this one.
function lineOf(tree, branch) {
  const line = [];
  for (let at = branch; at; at = tree.branches[at.parent]) line.unshift(at);
  return line;
}

// A branch's words, without the caption's end.
function wordsOf(tree, branch) {
  return lineOf(tree, branch).map((at) => at.word).filter((word) => word);
}

// The branches a caption took, its end included.
function lineOfCaption(tree, caption) {
  const line = [];
  let among = tree.roots;
  for (const word of [...captionWords(caption), ...(caption.finished ? [""] : [])]) {
    const next = among.find((branch) => branch.word === word && branch.fate !== "pruned");
    if (!next) break;
    line.push(next);
    among = next.taken;
  }
  return line;
}

// Centres as near as can be to the wanted ones, in the same order, none closer than their heights allow: a least squares
// fit by merging neighbours that would overlap.
function spreadOut(wanted, heights) {
  const offsets = [];
  heights.forEach((height, i) => offsets.push(i ? offsets[i - 1] + (heights[i - 1] + height) / 2 : 0));
  const blocks = []; // runs of rows that touch
  wanted.forEach((centre, i) => {
    blocks.push({ mean: centre - offsets[i], count: 1 });
    while (blocks.length > 1 && blocks[blocks.length - 2].mean > blocks[blocks.length - 1].mean) {
      const [upper, lower] = blocks.splice(-2);
      const count = upper.count + lower.count;
      blocks.push({ mean: (upper.mean * upper.count + lower.mean * lower.count) / count, count });
    }
  });
  const centres = blocks.flatMap(({ mean, count }) => new Array(count).fill(mean)).map((mean, i) => mean + offsets[i]);
  centres.forEach((centre, i) => { // none above the first row, or the best branches would climb word by word
    centres[i] = Math.max(centre, i ? centres[i - 1] + (heights[i - 1] + heights[i]) / 2 : 0);
  });
  return centres;
}

// Where the branches of one column would best lie: the first child beside its parent, the others below it.
function wantedPlaces(column, parentY) {
  let [last, row] = [null, 0];
  return column.map((branch) => {
    row = branch.parent === last ? row + 1 : 0;
    last = branch.parent;
    return parentY(branch) + row * TREE.prunedRow;
  });
}

// Where everything on show lies: one column per word, children beside their parents, no edges that cross.
// shows: which branches; label: a branch's text; measure: a text's width.
function layOutTree(tree, shows, label, measure) {
  const columns = [];
  const spots = new Map(); // branch -> { x, y, width, right, out }: its children's edges begin at right, and turn at out
  let x = TREE.start + TREE.gap;
  for (let step = 0, parents = null; step <= tree.last; step += 1) {
    const family = parents ? parents.flatMap((parent) => [...parent.taken, ...parent.pruned]) : tree.roots;
    const column = family.filter(shows);
    const wanted = wantedPlaces(column, (branch) => (step ? spots.get(tree.branches[branch.parent]).y : 0));
    const ys = spreadOut(wanted, column.map((branch) => (branch.fate === "pruned" ? TREE.prunedRow : TREE.row)));
    let widest = 0;
    column.forEach((branch, row) => {
      const width = measure(label(branch), branch.fate === "pruned" && branch.margin) + 2 * 8;
      const fan = branch.pruned.length ? TREE.fan : 0;
      widest = Math.max(widest, width + fan);
      spots.set(branch, { x, y: ys[row], width, right: x + width + fan });
    });
    for (const branch of column) spots.get(branch).out = x + widest;
    columns.push({ x, branches: column });
    x += widest + TREE.gap;
    parents = column.filter((branch) => branch.fate !== "pruned");
  }
  const ys = [...spots.values()].map((spot) => spot.y);
  const shift = TREE.top + TREE.row / 2;
  for (const spot of spots.values()) spot.y += shift;
  const height = Math.max(0, ...ys) + shift + TREE.row / 2 + TREE.edge;
  return { columns, spots, width: x - TREE.gap + TREE.edge, height, startY: shift };
}
