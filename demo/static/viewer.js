// The viewer: one result in, everything else in the browser. `mountViewer` knows nothing of Gradio; the last lines of
// the page's script (demo/page.py) connect the two.

function mountViewer(root, texts) {
  let view = null; // the result shown
  let maps = null;
  let nodes = null; // what changes when state changes
  let painted = new Map(); // layers of the caption on show
  const state = { width: 1, caption: 0, word: 0, hover: null, style: "smooth" };

  const caption = () => view.captions[state.caption];
  const wordIndex = () => (state.hover === null ? state.word : state.hover);

  function layer(index, style) {
    const key = `${style} ${index}`;
    if (!painted.has(key)) painted.set(key, maps.paint(caption().words[index].map, style, caption()[style]));
    return painted.get(key);
  }

  // ---- the caption and its words

  function drawCaption() {
    const chips = caption().words.map((word, index) => {
      const share = percent(word.probability);
      const chip = make("button", "sw-word", [make("span", "sw-word-text", word.word), make("span", "sw-word-share", share)], {
        type: "button", "data-index": index, "aria-label": fill(texts.chip_label, { word: word.word, probability: share }),
      });
      chip.style.setProperty("--sw-share", word.probability);
      return chip;
    });
    nodes.caption.replaceChildren(...chips);
    const facts = [fill(texts.score, { score: signed(caption().score) })];
    if (!caption().finished) facts.push(texts.unfinished);
    nodes.facts.textContent = facts.join(" · ");
    nodes.photo.alt = fill(texts.photo_alt, { caption: caption().text });
  }

  function drawWord() {
    const index = wordIndex();
    const word = caption().words[index];
    for (const list of [nodes.caption, nodes.strip]) {
      [...list.children].forEach((node, place) => {
        node.classList.toggle("sw-on", place === index);
        node.setAttribute("aria-pressed", String(place === state.word));
        node.tabIndex = place === state.word ? 0 : -1;
      });
    }
    const context = nodes.map.getContext("2d");
    nodes.map.width = maps.size.width;
    nodes.map.height = maps.size.height;
    if (!word) return;
    if (state.style !== "none") context.drawImage(layer(index, state.style), 0, 0);
    drawFacts(word);
  }

  function drawFacts(word) {
    const total = maps.total;
    const cells = word.cells < 10 ? word.cells.toFixed(1) : String(Math.round(word.cells));
    const gate = percent(word.gate);
    nodes.wordName.textContent = word.word;
    nodes.probability.textContent = percent(word.probability);
    nodes.cells.textContent = fill(texts.cells_value, { cells, total });
    nodes.gate.textContent = gate;
    nodes.rivals.replaceChildren(...word.rivals.map((rival) => {
      const row = make("li", rival.word === word.word ? "sw-rival sw-chosen" : "sw-rival", [
        make("span", "sw-rival-word", rival.word || texts.stop), make("span", "sw-rival-share", percent(rival.probability)),
      ]);
      row.style.setProperty("--sw-share", rival.probability);
      return row;
    }));
    nodes.map.setAttribute("aria-label", fill(texts.map_label, {
      word: word.word, cells, total, place: texts.places.split("|")[word.place], probability: percent(word.probability), gate,
    }));
  }

  // ---- how the map is drawn: style, legend, claim

  function drawStyle() {
    const raw = state.style === "cells";
    for (const button of nodes.styles.children) button.setAttribute("aria-pressed", String(button.dataset.style === state.style));
    const top = caption()[raw ? "cells" : "smooth"];
    const even = 1 / maps.total;
    nodes.top.textContent = percent(top);
    nodes.even.textContent = fill(texts.legend_even, { share: percent(even) });
    nodes.bar.parentElement.style.setProperty("--sw-even", Math.min(1, top > 0 ? even / top : 0));
    const [rows, columns] = view.grid;
    const [nativeRows, nativeColumns] = view.native;
    const stretched = rows !== nativeRows || columns !== nativeColumns;
    const cells = stretched
      ? fill(texts.claim_stretched, { native_rows: nativeRows, native_columns: nativeColumns, rows, columns })
      : texts.claim_cells;
    nodes.claim.textContent = `${texts.claim} ${raw ? cells : texts.claim_smooth}`;
    root.dataset.style = state.style;
    paintTiles([...nodes.strip.children], caption(), 0);
    drawWord();
  }

  function drawStrip() {
    const scale = Math.min(1, 200 / maps.size.width);
    const tiles = caption().words.map((word, index) => {
      const canvas = make("canvas", "sw-tile-map", null, { "aria-hidden": "true" });
      canvas.width = Math.max(1, Math.round(maps.size.width * scale));
      canvas.height = Math.max(1, Math.round(maps.size.height * scale));
      const photo = make("img", "sw-tile-photo", null, { src: view.photo.address, alt: "" });
      const frame = make("span", "sw-tile-frame", [photo, canvas]);
      frame.style.aspectRatio = `${maps.size.width} / ${maps.size.height}`;
      return make("button", "sw-tile", [frame, make("span", "sw-tile-word", word.word)], {
        type: "button", "data-index": index, "aria-label": fill(texts.chip_label, { word: word.word, probability: percent(word.probability) }),
      });
    });
    nodes.strip.replaceChildren(...tiles);
  }

  // One tile a frame, so that a long caption never blocks the page.
  function paintTiles(tiles, owner, index) {
    if (index >= tiles.length || !tiles[index].isConnected || owner !== caption()) return;
    const canvas = tiles[index].querySelector("canvas");
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (state.style !== "none") context.drawImage(layer(index, state.style), 0, 0, canvas.width, canvas.height);
    requestAnimationFrame(() => paintTiles(tiles, owner, index + 1));
  }

  // ---- beam width and the captions found with it

  function drawAlternatives() {
    const ranked = view.ranking[state.width];
    nodes.width.textContent = String(state.width);
    const scores = ranked.map((place) => view.captions[place].score);
    const [best, worst] = [Math.max(...scores), Math.min(...scores)];
    nodes.alternatives.replaceChildren(...ranked.map((place) => {
      const found = view.captions[place];
      const button = make("button", "sw-alternative", [
        make("span", "sw-alternative-text", found.finished ? found.text : `${found.text} …`),
        make("span", "sw-alternative-score", signed(found.score)),
      ], { type: "button", "data-place": place, "aria-pressed": String(place === state.caption) });
      button.style.setProperty("--sw-share", best > worst ? (found.score - worst) / (best - worst) : 1);
      return make("li", null, [button]);
    }));
  }

  function openCaption(place) {
    state.caption = place;
    state.word = caption().first;
    state.hover = null;
    painted = new Map();
    for (const button of nodes.alternatives.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.place) === place));
    }
    drawCaption();
    drawStrip();
    drawStyle();
  }

  function setWidth(width) {
    state.width = width;
    state.caption = view.ranking[width][0];
    drawAlternatives();
    openCaption(state.caption);
  }

  function setWord(index, list) {
    const count = caption().words.length;
    state.word = (index + count) % count;
    state.hover = null;
    drawWord();
    if (list) list.children[state.word].focus({ preventScroll: list === nodes.caption });
  }

  // ---- what people do

  function listenToWords(list) {
    const indexOf = (event) => event.target.closest("[data-index]")?.dataset.index;
    list.addEventListener("pointerover", (event) => {
      const index = indexOf(event);
      if (event.pointerType === "touch" || index === undefined) return;
      state.hover = Number(index);
      drawWord();
    });
    list.addEventListener("pointerleave", () => {
      state.hover = null;
      drawWord();
    });
    list.addEventListener("click", (event) => {
      const index = indexOf(event);
      if (index !== undefined) setWord(Number(index), null);
    });
    list.addEventListener("keydown", (event) => {
      const last = caption().words.length - 1;
      const target = { ArrowLeft: state.word - 1, ArrowRight: state.word + 1, Home: 0, End: last }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      setWord(target, list);
    });
  }

  function listen() {
    listenToWords(nodes.caption);
    listenToWords(nodes.strip);
    nodes.styles.addEventListener("click", (event) => {
      const button = event.target.closest("[data-style]");
      if (!button) return;
      state.style = button.dataset.style;
      drawStyle();
    });
    nodes.slider.addEventListener("input", () => setWidth(widths()[Number(nodes.slider.value)]));
    nodes.alternatives.addEventListener("click", (event) => {
      const button = event.target.closest("[data-place]");
      if (button) openCaption(Number(button.dataset.place));
    });
  }

  const widths = () => Object.keys(view.ranking).map(Number).sort((a, b) => a - b);

  function showMessage(kind, title, lines) {
    const box = make("div", `sw-message sw-${kind}`, [make("strong", null, title), ...lines.map((line) => make("p", null, line))]);
    if (kind === "problem") box.setAttribute("role", "alert");
    root.replaceChildren(box);
  }

  // On a phone the result lies below the photo box: bring it into sight.
  function reveal() {
    if (root.getBoundingClientRect().top < window.innerHeight / 4) return;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    root.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  }

  function draw(next) {
    view = next;
    root.dataset.kind = next ? next.kind : "empty";
    root.dataset.waiting = texts.waiting; // shown by the stylesheet while the server is busy
    if (!next) return showMessage("empty", texts.empty_title, texts.empty_text.split("|"));
    if (next.kind === "problem") return showMessage("problem", texts.problem_title, [next.message]);
    maps = readMaps(view);
    nodes = makeNodes(view, texts, widths());
    root.replaceChildren(...layOut(nodes, view, texts, maps.size, maps.total));
    paintLegend(nodes.bar, maps.colours);
    listen();
    return setWidth(view.width);
  }

  return function show(next) {
    draw(next);
    if (next) reveal();
  };
}
