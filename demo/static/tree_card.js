// The card of one branch: its map, its words, what it scored, what became of it, the words it competed with, and the way
// on from there.

const CARD_MAP_SIDE = 220; // pixels

// What the stage has to know to show a branch's map in the place of the caption's word.
function glimpseOf(desk, tree, branch) {
  return {
    ...desk.view.glimpses[branch.glimpse], word: branch.word || desk.t("stop"), ends: !branch.word, probability: Math.exp(branch.logProb),
    before: wordsOf(tree, branch).slice(0, branch.step),
  };
}

// What the stage says while it shows that map.
function glimpseLabel(desk, { word, ends, before }) {
  return filledWith(desk.t(before.length ? "glimpse_label" : "glimpse_first"), { word: ends ? word : spoken(word), before: spoken(phrase(before)) });
}

function mountCardMap(desk) {
  const { size } = desk.maps;
  const scale = Math.min(1, CARD_MAP_SIDE / Math.max(size.width, size.height));
  const canvas = make("canvas", "sw-tile-map", null, {
    "aria-hidden": "true", width: Math.max(1, Math.round(size.width * scale)), height: Math.max(1, Math.round(size.height * scale)),
  });
  const photo = make("img", "sw-tile-photo", null, { src: desk.view.photo.address, alt: "" });
  const frame = make("div", "sw-tile-frame sw-card-map", [photo, canvas]);
  frame.style.aspectRatio = `${size.width} / ${size.height}`;
  frame.style.setProperty("--sw-ratio", size.width / size.height);
  const draw = (glimpse) => {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(desk.maps.paint(glimpse.map, desk.state.blend, desk.top()), 0, 0, canvas.width, canvas.height);
  };
  return { frame, draw };
}

// A card and the function that shows a branch on it.
function mountTreeCard(desk) {
  const map = mountCardMap(desk);
  const before = spoken("", "sw-card-before");
  const word = make("strong", "sw-card-word");
  const [own, total] = [0, 0].map(() => make("strong", "sw-number"));
  const fate = make("p", "sw-card-fate");
  const rivals = make("ol", "sw-rivals");
  const go = button("sw-button sw-go-on", desk.t("go_on"));
  const note = help("");
  let words = [];
  go.addEventListener("click", () => goOn(desk, words, "tree"));
  const fact = (key, number) => make("div", "sw-fact", [make("dt", null, desk.t(key)), make("dd", null, [number])]);
  const node = make("section", "sw-panel sw-card", [
    map.frame,
    make("div", "sw-card-said", [
      make("p", "sw-card-words", [before, word]), fate,
      make("dl", "sw-numbers", [fact("probability", own), fact("branch_total", total)]),
      make("div", "sw-card-go", [go, note]), mountForcing(desk, "tree"), help(desk.t("branch_total_help")),
    ]),
    make("div", "sw-card-rivals", [make("h4", null, desk.t("rivals")), rivals, forceHelp(desk)]),
  ], { "aria-label": desk.t("card_label") });

  function show(tree, branch) {
    words = wordsOf(tree, branch);
    const earlier = words.slice(0, branch.step);
    before.textContent = earlier.length ? `${phrase(earlier)} ` : "";
    word.textContent = branch.word || desk.t("stop");
    word.lang = branch.word ? CAPTION_LANGUAGE : "";
    own.textContent = percent(Math.exp(branch.logProb));
    total.textContent = signed(branch.total);
    fate.textContent = sentenceCase(fateText(desk, branch));
    fate.className = `sw-card-fate sw-fate-${branch.fate}`;
    const glimpse = desk.view.glimpses[branch.glimpse];
    map.draw(glimpse);
    rivals.replaceChildren(...glimpse.rivals.map((rival) => rivalRow(desk, rival, earlier, branch.word, "tree")));
    go.disabled = !desk.ask || !branch.word;
    note.textContent = !desk.ask || branch.word ? "" : desk.t("go_on_end");
  }
  return { node, show };
}

function sentenceCase(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
