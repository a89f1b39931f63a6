// The beam: its width, how length counts, and the captions it found with what tells them apart.

const MOVE = 260; // milliseconds a caption takes to its new place

// For each word of `words`, whether it has no counterpart in the longest common subsequence with `others`.
function differing(words, others) {
  const common = Array.from({ length: words.length + 1 }, () => new Array(others.length + 1).fill(0));
  for (let i = words.length - 1; i >= 0; i -= 1) {
    for (let j = others.length - 1; j >= 0; j -= 1) {
      common[i][j] = words[i] === others[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const differs = new Array(words.length).fill(true);
  for (let i = 0, j = 0; i < words.length && j < others.length;) {
    if (words[i] === others[j]) {
      differs[i] = false;
      i += 1;
      j += 1;
    } else if (common[i + 1][j] >= common[i][j + 1]) i += 1;
    else j += 1;
  }
  return differs;
}

// The narrowest beam that finds a caption.
function narrowest(desk, place) {
  return desk.widths().find((width) => desk.view.ranking[width].includes(place));
}

function captionWords(caption) {
  return caption.words.map((word) => word.word);
}

// The caption as text, with the words that `best` does not have marked.
function markedText(caption, best) {
  const words = captionWords(caption);
  const differs = differing(words, captionWords(best));
  const line = spoken("", "sw-alternative-text");
  words.forEach((word, index) => {
    const gap = index && !word.startsWith("'") ? " " : "";
    line.append(gap, differs[index] ? make("mark", "sw-differs", word) : word);
  });
  if (!caption.finished) line.append(" …");
  return line;
}

// "14^0.7" with its power set high; the sign stays for those who hear or copy it.
function raised(text) {
  const [base, power] = text.split("^");
  return power === undefined ? [base] : [base, make("span", "sw-said", "^"), make("sup", null, power)];
}

function mountAlternatives(desk) {
  const list = make("ol", "sw-alternatives");
  const row = (place, best, spread) => {
    const caption = desk.view.captions[place];
    const score = scoreOf(caption, desk.state.power);
    const power = desk.state.power.toFixed(1);
    const values = { log_prob: signed(caption.log_prob), tokens: caption.tokens, power };
    const reason = make("span", "sw-reason", null);
    reason.append(...raised(desk.t(desk.state.power ? "reason" : "reason_plain", values)), " · ", desk.t("since", { width: narrowest(desk, place) }));
    const node = button("sw-alternative", [
      markedText(caption, desk.view.captions[best]), make("span", "sw-alternative-score", signed(score)), reason,
    ], { "data-place": place, "aria-pressed": String(place === desk.state.caption) });
    node.style.setProperty("--sw-share", spread(score));
    return make("li", null, [node], { "data-place": place });
  };
  desk.on(["width", "power"], (state) => {
    const ranked = desk.ranked();
    const scores = ranked.map((place) => scoreOf(desk.view.captions[place], state.power));
    const [high, low] = [Math.max(...scores), Math.min(...scores)];
    const spread = (score) => (high > low ? (score - low) / (high - low) : 1);
    reorder(list, ranked.map((place) => row(place, ranked[0], spread)));
  });
  desk.on(["caption", "width", "power"], (state) => {
    for (const node of list.querySelectorAll("button")) node.setAttribute("aria-pressed", String(Number(node.dataset.place) === state.caption));
  });
  list.addEventListener("click", (event) => {
    const chosen = event.target.closest("button[data-place]");
    if (chosen) desk.open(Number(chosen.dataset.place));
  });
  return list;
}

// Put new rows into a list; those that were there before glide from their old places.
function reorder(list, rows) {
  const before = new Map([...list.children].map((node) => [node.dataset.place, node.offsetTop]));
  list.replaceChildren(...rows);
  if (calm()) return;
  for (const node of rows) {
    const old = before.get(node.dataset.place);
    const way = old === undefined ? 0 : old - node.offsetTop;
    if (way) node.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], { duration: MOVE, easing: "ease-out" });
  }
}

// How is searched; another way is asked of the server, and holds for the photos to come.
function mountPreset(desk) {
  if (!desk.ask) return [help(desk.t(`preset_${desk.view.preset}_help`))];
  const choices = ["saywhere", "tutorial"].map((name) => make("option", null, desk.t(`preset_${name}`), { value: name }));
  const pick = make("select", "sw-speed sw-preset", choices, { "aria-label": desk.t("preset") });
  pick.value = desk.view.preset;
  pick.addEventListener("change", () => {
    const given = givenWords(desk.view);
    goOn(desk, captionWords(desk.caption()).slice(0, given), "beam", pick.value);
  });
  desk.on(["forcing"], ({ forcing }) => {
    if (!forcing || forcing.problem) pick.value = desk.view.preset;
  });
  return [make("h4", "sw-row", [make("span", null, desk.t("preset")), pick]), help(desk.t(`preset_${desk.view.preset}_help`)), mountForcing(desk, "beam")];
}

function mountBeam(desk) {
  const widths = desk.widths();
  const shown = make("output", "sw-width");
  const power = make("output", "sw-power");
  const place = (width) => widths.indexOf(width);
  const range = slider(desk.t("beam"), { min: 0, max: widths.length - 1, step: 1, value: place(desk.state.width) }, (value) => desk.setWidth(widths[value]));
  const ticks = make("div", "sw-ticks", widths.map((width) => make("span", null, String(width))), { "aria-hidden": "true" });
  const length = slider(desk.t("normalisation"), { min: 0, max: 1, step: 0.1, value: desk.state.power }, (value) => desk.setPower(value));
  desk.on(["width"], (state) => {
    shown.textContent = String(state.width);
    range.value = String(place(state.width));
    range.setAttribute("aria-valuetext", String(state.width));
  });
  desk.on(["power"], (state) => {
    power.textContent = state.power.toFixed(1);
    length.value = String(state.power);
  });
  return make("section", "sw-panel", [
    heading(desk.t("beam"), shown), range, ticks, help(desk.t("beam_help")),
    make("h4", "sw-row", [make("span", null, desk.t("normalisation")), power]), length, help(desk.t("normalisation_help")),
    ...mountPreset(desk),
    make("h4", null, desk.t("alternatives")), mountAlternatives(desk), help(`${desk.t("alternatives_help")} ${desk.t("differs")}`),
  ]);
}
