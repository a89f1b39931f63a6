// The desk: one result, what of it is on show, and who wants to know when that changes. Every part of the viewer draws
// from here and changes things only through here.

const EVERYWHERE = 9; // the place of a map that favours no ninth of the photo; see demo/view.py

// Log-probability over a power of the length; power 0 is the plain sum.
function scoreOf(caption, power) {
  return caption.log_prob / caption.tokens ** power;
}

// Places of the captions a width found: finished ones first, each part by falling score.
function rankCaptions(view, width, power) {
  const places = [...view.ranking[width]];
  if (power === view.normalisation) return places;
  const score = (place) => scoreOf(view.captions[place], power);
  return places.sort((a, b) => view.captions[b].finished - view.captions[a].finished || score(b) - score(a));
}

// texts: key -> sentence. ask: a function that puts a question to the server and promises its answer, or null.
function makeDesk(view, texts, ask) {
  const listeners = [];
  const state = {
    width: view.width, // of the beam
    power: view.normalisation, // of the length in the score
    caption: view.ranking[view.width][0], // its place in view.captions
    word: 0, // chosen
    hover: null, // pointed at, shown instead of the chosen one
    blend: 1, // 1: smoothed, 0: raw cells, -1: the cells before stretching; see maps.js
    plain: false, // the photo without a map
    glimpse: null, // a branch of the search on show in the word's place; see tree_card.js
    panel: "words", // which panel lies open
    playing: false,
    begun: false, // whether playing this caption was begun and has not come to its end
    marks: [], // of those who point before they see; see guess.js
    veiled: false, // the maps are hidden until then
    projector: false, // over the whole window; see classroom.js
    region: null, // the part of the photo asked about; see region.js
    tool: null, // what takes clicks on the photo in place of the region, by its name
  };
  state.word = view.captions[state.caption].first;

  // Merge `patch` into the state; every listener that named something that changed is called once.
  function change(patch) {
    const names = Object.keys(patch).filter((name) => state[name] !== patch[name]);
    if (!names.length) return;
    Object.assign(state, patch);
    for (const { wanted, listener } of listeners) if (names.some((name) => wanted.includes(name))) listener(state);
  }

  const desk = {
    view,
    maps: readMaps(view),
    state,
    ask,
    change,
    // Call `listener` now and whenever one of the names changes.
    on(wanted, listener) {
      listeners.push({ wanted, listener });
      listener(state);
    },
    t: (key, values) => fill(texts[key] || key, values),
    caption: () => view.captions[state.caption],
    shown: () => (state.hover === null ? state.word : state.hover),
    word: () => desk.caption().words[desk.shown()],
    ranked: () => rankCaptions(view, state.width, state.power),
    widths: () => Object.keys(view.ranking).map(Number).sort((a, b) => a - b),
    top: () => topOf(desk.caption(), state.blend),
    open(place) {
      change({ caption: place, word: view.captions[place].first, hover: null, glimpse: null, plain: false });
    },
    setWidth(width) {
      const caption = rankCaptions(view, width, state.power)[0];
      change({ width, caption, word: view.captions[caption].first, hover: null, glimpse: null });
    },
    setPower(power) {
      const caption = rankCaptions(view, state.width, power)[0];
      change({ power, caption, word: view.captions[caption].first, hover: null, glimpse: null });
    },
    setWord(index) {
      const count = desk.caption().words.length;
      change({ word: count ? (index + count) % count : 0, hover: null, glimpse: null });
    },
    // What a map of these weights says, for those who cannot see it.
    mapText(word) {
      if (state.veiled) return desk.t("guess_veiled", { word: word.word });
      const sharpness = desk.t(word.cells < desk.maps.total / 6 ? "sharp" : "wide");
      const place = desk.t("places").split("|")[word.place];
      const looks = word.place === EVERYWHERE ? desk.t("everywhere") : desk.t("looks", { place, sharpness });
      return desk.t("map_text", {
        word: word.word, looks, cells: cellCount(word.cells), total: desk.maps.total,
        probability: percent(word.probability), gate: percent(word.gate),
      });
    },
  };
  return desk;
}
