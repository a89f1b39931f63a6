// The caption as words to point at, tap, walk and play; the numbers of the word on show; every word as a small picture.

const SPEEDS = [0.5, 1, 2, 3];
const WORD_TIME = 1100; // milliseconds a word stays at speed 1
const TILE_SIDE = 200; // pixels

// Pointing, tapping and arrow keys in a list of words; used by the caption and the pictures below.
function listenToWords(desk, list) {
  const indexAt = (target) => {
    const node = target.closest("[data-index]");
    return node && list.contains(node) ? Number(node.dataset.index) : null;
  };
  list.addEventListener("mouseover", (event) => {
    const index = indexAt(event.target);
    if (index !== null) desk.change({ hover: index });
  });
  list.addEventListener("mouseleave", () => desk.change({ hover: null }));
  list.addEventListener("click", (event) => {
    const index = indexAt(event.target);
    if (index === null) return;
    desk.change({ playing: false });
    desk.setWord(index);
  });
  list.addEventListener("keydown", (event) => {
    const last = list.children.length - 1;
    const { word } = desk.state;
    const target = { ArrowLeft: word - 1, ArrowRight: word + 1, Home: 0, End: last }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    desk.change({ playing: false });
    desk.setWord(target);
    list.children[desk.state.word].focus({ preventScroll: true });
  });
  desk.on(["caption", "word", "hover", "veiled"], (state) => {
    [...list.children].forEach((node, place) => {
      node.classList.toggle("sw-on", place === desk.shown());
      node.setAttribute("aria-pressed", String(place === state.word));
      node.tabIndex = place === state.word ? 0 : -1;
    });
  });
}

// A word and its probability as a button; what only its label says is not seen.
function wordChip(desk, word, given, attributes) {
  const seen = { word: spoken(word.word, "sw-word-text"), probability: make("span", "sw-word-share", percent(word.probability)) };
  const chip = button(given ? "sw-word sw-given-word" : "sw-word", namedBy(desk.t(given ? "chip_given" : "chip_label"), seen), attributes);
  chip.style.setProperty("--sw-share", word.probability);
  return chip;
}

// The caption's words with their probabilities.
function mountCaption(desk) {
  const list = make("div", "sw-caption", null, { role: "group", "aria-label": desk.t("caption_label") });
  desk.on(["caption"], () => {
    const given = givenWords(desk.view);
    list.replaceChildren(...desk.caption().words.map((word, index) => wordChip(desk, word, index < given, { "data-index": index })));
  });
  listenToWords(desk, list);
  desk.chips = list;
  return list;
}

// Play the caption from its first word; pause it; go on with the word on show, where it was stopped on its way.
function playOrPause(desk) {
  const { playing, begun, word } = desk.state;
  const last = desk.caption().words.length - 1;
  if (!playing && (!begun || word === last)) desk.setWord(0);
  desk.change({ playing: !playing, begun: true, plain: false });
}

// Play the caption word by word, at a speed to choose.
function mountPlayer(desk) {
  const play = button("sw-button sw-play", desk.t("play"));
  const pick = make("select", "sw-speed", SPEEDS.map((speed) => make("option", null, desk.t("speed_value", { speed }), { value: speed })), { "aria-label": desk.t("speed") });
  pick.value = "1";
  let timer = null;
  const next = () => {
    if (!play.isConnected) return;
    const last = desk.state.word === desk.caption().words.length - 1;
    if (last) return void desk.change({ playing: false, begun: false });
    desk.setWord(desk.state.word + 1);
    wait();
  };
  const wait = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(next, WORD_TIME / Number(pick.value));
  };
  play.addEventListener("click", () => playOrPause(desk));
  pick.addEventListener("change", () => desk.state.playing && wait());
  desk.on(["playing"], (state) => {
    play.textContent = desk.t(state.playing ? "pause" : "play");
    play.setAttribute("aria-pressed", String(state.playing));
    if (state.playing) wait();
    else window.clearTimeout(timer);
  });
  desk.on(["caption"], () => desk.change({ playing: false, begun: false }));
  return make("div", "sw-player", [play, pick]);
}

// Score, and whether the caption was cut off.
function mountFacts(desk) {
  const line = make("span", "sw-facts");
  desk.on(["caption", "power"], (state) => {
    const facts = [desk.t("score", { score: signed(scoreOf(desk.caption(), state.power)) })];
    if (!desk.caption().finished) facts.push(desk.t("unfinished"));
    line.textContent = facts.join(" · ");
  });
  return line;
}

// The numbers of the word on show, and the words it competed with.
function mountWord(desk) {
  const name = spoken("", "sw-word-name", "strong");
  const [probability, cells, gate] = [0, 0, 0].map(() => make("strong", "sw-number"));
  const rivals = make("ol", "sw-rivals");
  const fact = (key, node, values) => make("div", "sw-fact", [
    make("dt", null, desk.t(key)), make("dd", null, [node, help(desk.t(`${key}_help`, values))]),
  ]);
  const { total } = desk.maps;
  desk.on(["caption", "word", "hover"], () => {
    const word = desk.word();
    if (!word) return;
    name.textContent = word.word;
    probability.textContent = percent(word.probability);
    cells.textContent = desk.t("cells_value", { cells: cellCount(word.cells), total });
    gate.textContent = percent(word.gate);
    const before = captionWords(desk.caption()).slice(0, desk.shown());
    rivals.replaceChildren(...word.rivals.map((rival) => rivalRow(desk, rival, before, word.word, "word")));
  });
  return make("section", "sw-panel", [
    heading(desk.t("word_title"), name),
    make("dl", "sw-numbers", [fact("probability", probability), fact("cells", cells, { total }), fact("gate", gate)]),
    make("h4", null, desk.t("rivals")),
    rivals, forceHelp(desk), mountForcing(desk, "word"),
  ]);
}

// A small picture per word, as in the paper's figures, all on the caption's scale.
function mountFilmstrip(desk) {
  const { size, maps } = { size: desk.maps.size, maps: desk.maps };
  const scale = Math.min(1, TILE_SIDE / size.width);
  const list = make("div", "sw-strip", null, { role: "group", "aria-label": desk.t("strip_label") });

  function tile(word, index) {
    const canvas = make("canvas", "sw-tile-map", null, {
      "aria-hidden": "true", width: Math.max(1, Math.round(size.width * scale)), height: Math.max(1, Math.round(size.height * scale)),
    });
    const photo = make("img", "sw-tile-photo", null, { src: desk.view.photo.address, alt: "" });
    const frame = make("span", "sw-tile-frame", [photo, canvas]);
    frame.style.aspectRatio = `${size.width} / ${size.height}`;
    const facts = make("span", "sw-tile-facts", desk.t("cells_short", { cells: cellCount(word.cells) }));
    const given = index < givenWords(desk.view); // said to it, not by it
    const label = given ? `${desk.mapText(word)}, ${desk.t("forced")}` : desk.mapText(word);
    const name = spoken(word.word, "sw-tile-word");
    const more = given ? [make("span", "sw-tile-forced", desk.t("forced"))] : [];
    return button(given ? "sw-tile sw-given-tile" : "sw-tile", [frame, name, facts, ...more], { "data-index": index, "aria-label": label });
  }
  // One tile a frame, so that a long caption never blocks the page; `round` tells a newer drawing from an older one.
  let round = 0;
  function paintFrom(index, started) {
    const node = list.children[index];
    if (!node || started !== round) return;
    const canvas = node.querySelector("canvas");
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!desk.state.plain && !desk.state.veiled) {
      context.drawImage(maps.paint(desk.caption().words[index].map, desk.state.blend, desk.top()), 0, 0, canvas.width, canvas.height);
    }
    requestAnimationFrame(() => paintFrom(index + 1, started));
  }
  desk.on(["caption", "veiled"], () => list.replaceChildren(...desk.caption().words.map(tile)));
  desk.on(["caption", "blend", "plain", "veiled"], () => paintFrom(0, (round += 1)));
  listenToWords(desk, list);
  return make("div", "sw-all", [list, help(desk.t("strip_help"))]);
}
