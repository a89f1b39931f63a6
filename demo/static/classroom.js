// In class: the toolbar by the caption, and the projector: the viewer over the whole window, big, by keyboard alone.

// Back from the projector, whatever was on show; called before anything new is drawn too.
function leaveProjector(root) {
  root.classList.remove("sw-projector", "sw-veiled", "sw-pointing");
  document.documentElement.classList.remove("sw-no-scroll");
  if (document.fullscreenElement === root) document.exitFullscreen().catch(() => undefined);
}

// The whole screen where the browser allows it; the stylesheet covers the whole window in any case.
function enterProjector(root) {
  root.classList.add("sw-projector");
  document.documentElement.classList.add("sw-no-scroll");
  if (root.requestFullscreen) root.requestFullscreen().catch(() => undefined);
  root.tabIndex = -1;
  root.focus({ preventScroll: true });
}

// What a key does in the projector; see the text "projector_keys".
function projectorDeed(desk, key) {
  const { state } = desk;
  const word = (way) => () => {
    desk.change({ playing: false });
    desk.setWord(state.word + way);
  };
  const other = (way) => () => {
    const ranked = desk.ranked();
    desk.open(ranked[(ranked.indexOf(state.caption) + way + ranked.length) % ranked.length]);
  };
  const deeds = {
    ArrowLeft: word(-1),
    ArrowRight: word(1),
    ArrowUp: other(-1),
    ArrowDown: other(1),
    " ": () => playOrPause(desk),
    s: () => desk.change({ blend: state.blend < 0.5 ? 1 : 0, plain: false }),
    p: () => desk.change({ plain: !state.plain }),
    g: () => (state.tool === GUESS ? stopGuess(desk) : startGuess(desk)),
    "?": () => desk.change({ keys: !state.keys }),
    Escape: () => desk.change(state.keys ? { keys: false } : { projector: false }),
  };
  const width = key === "0" ? 10 : Number(key);
  if (key !== " " && desk.widths().includes(width)) return () => desk.setWidth(width);
  return deeds[key.length === 1 ? key.toLowerCase() : key];
}

// Tab stays among what is seen.
function keepFocus(root, event) {
  const seen = [...root.querySelectorAll("button, input, select, a[href], [tabindex='0']")].filter((node) => node.tabIndex >= 0 && !node.disabled && node.getClientRects().length);
  const edge = event.shiftKey ? seen[0] : seen[seen.length - 1];
  const inside = root.contains(document.activeElement) && document.activeElement !== root;
  if (!seen.length || (inside && document.activeElement !== edge)) return;
  event.preventDefault();
  seen[event.shiftKey ? seen.length - 1 : 0].focus();
}

function listenToProjector(desk) {
  const { root } = desk;
  const onKey = (event) => {
    if (!desk.chips.isConnected) return void document.removeEventListener("keydown", onKey); // another result is on show
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Tab") return void keepFocus(root, event);
    const field = event.target.closest("input, select, textarea");
    if (field || (event.key === " " && event.target.closest(".sw-class, .sw-guess, .sw-keys"))) return;
    const deed = projectorDeed(desk, event.key);
    if (!deed) return;
    event.preventDefault();
    deed();
  };
  const onScreen = () => {
    if (!document.fullscreenElement) desk.change({ projector: false }); // the browser's own Escape
  };
  return (on) => {
    const change = on ? "addEventListener" : "removeEventListener";
    document[change]("keydown", onKey);
    document[change]("fullscreenchange", onScreen);
  };
}

function mountKeys(desk) {
  const rows = desk.t("projector_keys").split("|").map((line) => {
    const [keys, deed] = line.split(": ");
    return make("div", "sw-keys-row", [make("dt", null, [make("kbd", null, keys)]), make("dd", null, deed)]);
  });
  const close = button("sw-button", desk.t("projector_close"));
  const box = make("div", "sw-keys", [make("dl", null, rows), close], { role: "dialog", "aria-label": desk.t("projector_keys_label") });
  close.addEventListener("click", () => desk.change({ keys: false }));
  desk.on(["keys", "projector"], (state) => {
    box.hidden = !state.keys || !state.projector;
    if (!box.hidden) close.focus();
  });
  return box;
}

// The word on show and its key number, beside the photo.
function mountNow(desk) {
  const name = spoken("", "sw-now-word", "strong");
  const number = make("span", "sw-now-number");
  desk.on(["caption", "word", "hover"], () => {
    const word = desk.word();
    if (!word) return;
    name.textContent = word.word;
    number.textContent = desk.t("projector_number", { cells: cellCount(word.cells), total: desk.maps.total });
  });
  return make("p", "sw-now", [name, number]);
}

// Which of the captions is on show, for a class that does not see their list.
function mountWhich(desk) {
  const line = make("p", "sw-which", null, { role: "status" });
  desk.on(["caption", "width", "power"], (state) => {
    const ranked = desk.ranked();
    const place = ranked.indexOf(state.caption);
    const values = { place: place + 1, count: ranked.length, width: state.width, score: signed(scoreOf(desk.caption(), state.power)) };
    line.textContent = desk.t(place < 0 ? "projector_other" : "projector_which", values);
  });
  return line;
}

function mountClassroom(desk) {
  const guess = button("sw-button", desk.t("guess"));
  const keys = button("sw-button sw-keys-button", "?", { "aria-label": desk.t("projector_keys_label") });
  const projector = button("sw-button", desk.t("projector"));
  const room = button("sw-button", desk.t("room"));
  const listen = listenToProjector(desk);
  guess.addEventListener("click", () => (desk.state.tool === GUESS ? stopGuess(desk) : startGuess(desk)));
  keys.addEventListener("click", () => desk.change({ keys: !desk.state.keys }));
  projector.addEventListener("click", () => desk.change({ projector: !desk.state.projector, keys: false }));
  room.hidden = !desk.rooms;
  room.addEventListener("click", () => {
    desk.change({ projector: false });
    desk.rooms.start(desk);
  });
  let on = false;
  desk.on(["projector"], (state) => {
    projector.textContent = desk.t(state.projector ? "projector_leave" : "projector");
    projector.setAttribute("aria-pressed", String(Boolean(state.projector)));
    keys.hidden = !state.projector;
    if (Boolean(state.projector) === on) return;
    on = !on;
    listen(on);
    if (on) return void enterProjector(desk.root);
    leaveProjector(desk.root);
    desk.root.classList.toggle("sw-veiled", Boolean(state.veiled));
    desk.root.classList.toggle("sw-pointing", state.tool === GUESS);
    projector.focus({ preventScroll: true });
  });
  desk.on(["tool"], (state) => guess.setAttribute("aria-pressed", String(state.tool === GUESS)));
  return make("div", "sw-class", [guess, room, keys, projector, mountKeys(desk)], { role: "group", "aria-label": desk.t("classroom") });
}
