// Watch it learn: what the model said of the example photos again and again while it learnt, and where it looked. All of
// it was recorded, so it is there before the model is, and for every visitor at once.

const MOMENT_TIME = 1000; // milliseconds a moment stays

function mountLearning(desk) {
  const status = make("p", "sw-probe-status", desk.t("learning_waiting"), { role: "status" });
  const holder = make("div", "sw-learning", [status]);
  const fetch = async () => {
    const again = button("sw-button", desk.t("errand_again"));
    again.addEventListener("click", fetch);
    try {
      const answer = await desk.ask({ kind: "learning" });
      if (answer && answer.kind === "learning") return holder.replaceChildren(...showLearning(desk, answer));
      return holder.replaceChildren(make("p", "sw-refusal", desk.sentence((answer && answer.message) || desk.t("unreachable")), { role: "alert" }));
    } catch (lost) {
      return holder.replaceChildren(make("p", "sw-refusal", desk.t("unreachable"), { role: "alert" }), again);
    }
  };
  fetch();
  return holder;
}

// Where the panel stands: photo, moment and word, and who wants to hear of it.
function makeReel(record) {
  const listeners = [];
  const reel = {
    record, photo: 0, moment: record.moments.length - 1, word: 0,
    telling: () => record.moments[reel.moment].tellings[reel.photo],
    on(listener) {
      listeners.push(listener);
      listener();
    },
    go(change) {
      const before = reel.telling();
      Object.assign(reel, change);
      reel.moment = Math.max(0, Math.min(record.moments.length - 1, reel.moment));
      if (reel.telling() !== before && !("word" in change)) reel.word = reel.telling().first;
      for (const listener of listeners) listener();
    },
  };
  reel.word = reel.telling().first;
  return reel;
}

function showLearning(desk, record) {
  const reel = makeReel(record);
  const words = make("div", "sw-learning-side", [
    learningPhotos(desk, reel), ...learningTime(desk, reel), learningWords(desk, reel), learningCurve(desk, reel),
  ]);
  return [
    help(filledWith(desk.t("learning_intro"), { trained_on: spoken(record.trained_on) })),
    make("div", "sw-learning-both", [learningPicture(desk, reel), words]),
    learningTable(desk, reel),
  ];
}

function momentName(desk, moment) {
  if (moment.model !== null) return desk.t("learning_finished", { model: moment.model });
  return desk.t("learning_step", { step: moment.step.toLocaleString() });
}

function sayTelling(telling) {
  return `${telling.words.map((word) => word.word).join(" ")}${telling.finished ? "" : " …"}`;
}

function learningPhotos(desk, reel) {
  const buttons = reel.record.photos.map((photo, place) => {
    const node = button("sw-learning-pick", [make("img", null, null, { src: photo.photo.address, alt: desk.t(photo.key) })], { title: desk.t(photo.key) });
    node.addEventListener("click", () => reel.go({ photo: place }));
    return node;
  });
  reel.on(() => buttons.forEach((node, place) => node.setAttribute("aria-pressed", String(place === reel.photo))));
  return make("div", "sw-learning-photos", buttons, { role: "group", "aria-label": desk.t("learning_photos") });
}

// The photo under the map of the word on show, on its caption's scale: a map that points at nothing covers the photo.
function learningPicture(desk, reel) {
  const maps = reel.record.photos.map(() => null);
  const photo = make("img", "sw-tile-photo", null, { alt: "" });
  const canvas = make("canvas", "sw-tile-map", null, { role: "img" });
  const frame = make("div", "sw-tile-frame sw-learning-frame", [photo, canvas]);
  const draw = () => {
    const view = reel.record.photos[reel.photo];
    maps[reel.photo] = maps[reel.photo] || readMaps(view);
    const { size, paint } = maps[reel.photo];
    const word = reel.telling().words[reel.word]; // none where the model stopped at once
    const blend = Math.max(0, desk.state.blend);
    if (photo.getAttribute("src") !== view.photo.address) photo.setAttribute("src", view.photo.address);
    frame.style.aspectRatio = `${size.width} / ${size.height}`;
    canvas.width = size.width;
    canvas.height = size.height;
    if (!word) return;
    canvas.getContext("2d").drawImage(paint(word.map, blend, topOf(reel.telling(), blend)), 0, 0);
    const values = { word: word.word, cells: cellCount(word.cells), total: maps[reel.photo].total };
    canvas.setAttribute("aria-label", desk.t("learning_map", { ...values, photo: desk.t(view.key) }));
  };
  reel.on(draw);
  desk.on(["blend"], draw);
  return frame;
}

function learningWords(desk, reel) {
  const list = make("div", "sw-caption sw-learning-words", null, { role: "group", "aria-label": desk.t("caption_label") });
  const facts = make("p", "sw-learning-facts");
  let shown = null;
  const move = (place, focus) => {
    const count = reel.telling().words.length || 1;
    reel.go({ word: (place + count) % count });
    if (focus) list.children[reel.word].focus({ preventScroll: true });
  };
  list.addEventListener("keydown", (event) => {
    const target = { ArrowLeft: reel.word - 1, ArrowRight: reel.word + 1, Home: 0, End: -1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    move(target, true);
  });
  reel.on(() => {
    if (shown !== reel.telling()) {
      shown = reel.telling();
      list.replaceChildren(...shown.words.map((word, place) => {
        const node = wordChip(desk, word, false);
        node.addEventListener("mouseover", () => move(place, false));
        node.addEventListener("click", () => move(place, false));
        return node;
      }));
    }
    [...list.children].forEach((node, place) => {
      node.classList.toggle("sw-on", place === reel.word);
      node.setAttribute("aria-pressed", String(place === reel.word));
      node.tabIndex = place === reel.word ? 0 : -1;
    });
    const word = shown.words[reel.word];
    if (!word) facts.textContent = desk.t("learning_silent");
    else facts.replaceChildren(...filledWith(desk.t("learning_word"), { word: spoken(word.word), probability: percent(word.probability), cells: cellCount(word.cells), total: reel.record.cells }));
  });
  return make("div", null, [list, facts]);
}
