// The beam search as a tree: every branch of the chosen width, step by step; what each one saw, and the way on from any.
// Its own state on the desk: treeWidth (whose branches the ids below name), treeStep, treeNode (chosen) and treeHover
// (pointed at), both ids or null, treeOpen (ids whose pruned children are all on show), treeAll.

function mountTree(desk) {
  const trees = new Map(); // width -> tree
  const tree = () => {
    const { width } = desk.state;
    if (!trees.has(width)) trees.set(width, readTree(desk.view, width));
    return trees.get(width);
  };
  if (!desk.widths().every((width) => desk.view.trees && readTree(desk.view, width))) return help(desk.t("tree_none"));
  desk.on(["width"], (state) => {
    if (state.treeWidth === state.width) return; // drawn again, or gone back to
    desk.change({ treeWidth: state.width, treeStep: tree().last, treeNode: null, treeHover: null, treeOpen: new Set(), treeAll: Boolean(state.treeAll) });
  });
  desk.on(["glimpse"], (state) => state.glimpse || desk.change({ treeNode: null, treeHover: null }));
  desk.on(["panel"], (state) => state.panel === "tree" || desk.change({ glimpse: null }));
  const card = mountTreeCard(desk);
  const drawing = mountTreeDrawing(desk, tree, card);
  return make("div", "sw-tree-panel", [
    help(desk.t("tree_help")), mountTreeSteps(desk, tree), drawing, mountTreeKey(desk), card.node, mountTreeWords(desk, tree),
  ]);
}

// The branch on show: pointed at, else chosen, else the one of the caption's word.
function shownBranch(desk, tree) {
  const { treeHover, treeNode } = desk.state;
  const id = treeHover === null ? treeNode : treeHover;
  if (id !== null) return tree.branches[id];
  const line = lineOfCaption(tree, desk.caption());
  return line[Math.min(desk.shown(), line.length - 1)] || tree.branches[0];
}

function pointAt(desk, tree, patch) {
  const { treeHover, treeNode } = { ...desk.state, ...patch };
  const id = treeHover === null ? treeNode : treeHover;
  desk.change({ ...patch, glimpse: id === null ? null : glimpseOf(desk, tree, tree.branches[id]), ...(id === null ? {} : { plain: false }) });
}

function mountTreeDrawing(desk, treeNow, card) {
  const frame = make("div", "sw-tree-frame");
  const measure = labelMeasure();
  let drawn = null; // see drawTree
  const opened = (branch) => desk.state.treeAll || desk.state.treeOpen.has(branch.id);

  function shows(tree) {
    const line = new Set(desk.state.treeNode === null ? [] : lineOf(tree, tree.branches[desk.state.treeNode]));
    return (branch) => branch.fate !== "pruned" || tree.nearest.has(branch) || line.has(branch)
      || opened(branch.parent < 0 ? branch : tree.branches[branch.parent]);
  }
  function redraw() {
    const tree = treeNow();
    const focused = frame.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    drawn = { tree, ...drawTree(desk, tree, shows(tree), opened, measure) };
    frame.replaceChildren(drawn.svg);
    frame.classList.toggle("sw-crowded", drawn.nodes.size > 400);
    markBranches(desk, drawn, card);
    showStep(drawn, desk.state.treeStep);
    const again = focused && frame.querySelector(`[data-id="${focused}"]`);
    if (again) again.focus({ preventScroll: true });
  }
  // Keep the step in sight while it moves; another width begins at its first word.
  let seenWidth = null;
  function follow(state) {
    if (seenWidth === state.treeWidth) frame.scrollLeft = drawn.layout.columns[state.treeStep].x - 0.6 * frame.clientWidth;
    else frame.scrollLeft = 0;
    seenWidth = state.treeWidth;
  }
  desk.on(["treeWidth", "treeOpen", "treeAll"], redraw);
  desk.on(["treeNode"], ({ treeNode }) => {
    if (treeNode !== null && !drawn.nodes.has(drawn.tree.branches[treeNode])) redraw();
  });
  const current = () => desk.state.panel === "tree" && drawn.tree === treeNow();
  desk.on(["caption", "word", "hover", "treeNode", "treeHover", "blend", "panel"], () => current() && markBranches(desk, drawn, card));
  desk.on(["treeStep"], (state) => {
    if (drawn.tree !== treeNow()) return;
    showStep(drawn, state.treeStep);
    markBranches(desk, drawn, card);
    follow(state);
  });
  listenToTree(desk, frame, () => drawn);
  return frame;
}

// Which branches are the caption's, which one is on show (on the card too), and where the tab key enters: at that one, or
// at the last of its line that is in sight.
function markBranches(desk, { tree, nodes, edges }, card) {
  const path = new Set(lineOfCaption(tree, desk.caption()));
  const on = shownBranch(desk, tree);
  const line = lineOf(tree, on);
  for (const [branch, node] of nodes) {
    const picked = branch.id === desk.state.treeNode;
    node.classList.toggle("sw-path", path.has(branch));
    node.classList.toggle("sw-on", branch === on);
    node.classList.toggle("sw-picked", picked);
    node.setAttribute("aria-pressed", String(picked));
    node.setAttribute("tabindex", "-1");
    edges.get(branch).classList.toggle("sw-path", path.has(branch));
    edges.get(branch).classList.toggle("sw-on", line.includes(branch));
  }
  for (const branch of [...line, ...path]) { // above the other edges, which begin with the same stretch
    const edge = edges.get(branch);
    if (edge) edge.parentNode.insertBefore(edge, edge.parentNode.querySelector(".sw-branch"));
  }
  const entry = line.filter((branch) => nodes.has(branch) && branch.step <= desk.state.treeStep).pop();
  if (entry) nodes.get(entry).setAttribute("tabindex", "0");
  card.show(tree, on);
}

// What the search had seen after this step; what had died by then is pale.
function showStep({ groups, nodes, edges }, now) {
  groups.forEach((group, place) => {
    group.classList.toggle("sw-later", place > now);
    group.classList.toggle("sw-column-now", place === now);
  });
  for (const [branch, node] of nodes) {
    const dead = branch.fate !== "pruned" && branch.lives < now;
    node.classList.toggle("sw-dead", dead);
    edges.get(branch).classList.toggle("sw-dead", dead);
  }
}

// Pointing, tapping and keys on the branches.
function listenToTree(desk, frame, drawing) {
  const branchAt = (target) => {
    const node = target.closest("[data-id]");
    return node ? drawing().tree.branches[Number(node.dataset.id)] : null;
  };
  const choose = (branch) => pointAt(desk, drawing().tree, { treeNode: branch.id, treeHover: null });
  const fold = (branch) => {
    if (!branch.pruned.length) return;
    const open = new Set(desk.state.treeAll ? drawing().tree.branches.map((each) => each.id) : desk.state.treeOpen);
    if (!open.delete(branch.id)) open.add(branch.id);
    desk.change({ treeAll: false, treeOpen: open });
  };
  const focus = (branch) => drawing().nodes.get(branch).focus();
  frame.addEventListener("pointermove", (event) => { // not pointerover: the tree may scroll below a resting pointer
    const branch = event.pointerType === "mouse" ? branchAt(event.target) : null;
    if (branch && branch.id !== desk.state.treeHover) pointAt(desk, drawing().tree, { treeHover: branch.id });
  });
  frame.addEventListener("pointerleave", () => desk.state.treeHover !== null && pointAt(desk, drawing().tree, { treeHover: null }));
  frame.addEventListener("click", (event) => {
    const branch = branchAt(event.target);
    if (!branch) return;
    if (event.target.closest("[data-fan]")) fold(branch);
    else choose(branch);
  });
  frame.addEventListener("keydown", (event) => {
    const branch = branchAt(event.target);
    if (!branch || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = neighbour(drawing(), branch, event.key, desk.state.treeStep);
    if (next) {
      choose(next);
      focus(next);
    } else if (event.key === "Enter") choose(branch);
    else if (event.key === " ") fold(branch);
    else if (event.key === "Escape") desk.change({ glimpse: null });
    else if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
  });
}

// Where an arrow key leads: left to the branch before, right to the best one after, up and down in the column.
function neighbour({ tree, layout, nodes }, branch, key, step) {
  const column = layout.columns[branch.step].branches;
  const place = column.indexOf(branch);
  if (key === "ArrowUp") return column[place - 1];
  if (key === "ArrowDown") return column[place + 1];
  if (key === "ArrowLeft") return tree.branches[branch.parent];
  if (key === "ArrowRight" && branch.step < step) return [...branch.taken, ...branch.pruned].find((child) => nodes.has(child));
  if (key === "Home") return lineOf(tree, branch)[0];
  return undefined;
}
