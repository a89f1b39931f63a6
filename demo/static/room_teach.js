// The teacher's side of a room: how to join it, how many have, and what comes next.

const OWN_COMPUTER = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/; // addresses that nobody else can reach

function teacherParts(kit) {
  const { t, line } = kit;
  const count = make("p", "sw-room-count", null, { role: "status" });
  const controls = teacherControls(kit);
  return {
    nodes: [roomDoor(kit), count, controls.node, help(t("room_shared"))],
    draw(node) {
      const said = countSentence(t, line.state);
      if (count.textContent !== said) count.textContent = said;
      controls.draw(node);
    },
  };
}

// The code, large, and the QR code of the address; where pupils cannot reach this address, what to do about it.
function roomDoor({ t, line }) {
  const { code, qr } = line.room;
  const spelt = make("strong", "sw-room-code", code, { "aria-label": [...code].join(" ") });
  if (OWN_COMPUTER.test(window.location.hostname)) {
    const warning = t("room_local", { host: window.location.host }).split("|");
    return make("div", "sw-room-door", [make("p", null, t("room_code_label")), spelt, make("div", "sw-room-local", warning.map((part) => make("p", null, part)))]);
  }
  const picture = qr ? [make("img", "sw-room-qr", null, { src: qr, alt: t("room_qr") })] : [];
  return make("div", "sw-room-door", [make("p", null, t("room_at", { address: pageAddress() })), spelt, ...picture]);
}

function teacherControls(kit) {
  const { t, line, hide } = kit;
  const ways = {};
  const put = (question) => () => line.put(question());
  const turn = (way) => put(() => ({ kind: "room_word", place: (line.state.place + way + line.room.words.length) % line.room.words.length }));
  const deeds = {
    last: turn(-1),
    next: turn(1),
    class: put(() => ({ kind: "room_reveal", phase: "class" })),
    model: put(() => ({ kind: "room_reveal", phase: "model" })),
    again: put(() => ({ kind: "room_word", place: line.state.place, again: true })),
    take: kit.teach,
    full: () => toggleFull(ways.full.closest(".sw-room-all")),
    hide,
    close: () => askToClose(kit, ways.close),
  };
  const keys = { last: "guess_last", next: "guess_next", hide: "room_back" };
  for (const [name, deed] of Object.entries(deeds)) {
    ways[name] = button(`sw-button sw-room-${name}`, t(keys[name] || `room_${name}`));
    ways[name].addEventListener("click", deed);
  }
  const group = (names) => make("div", "sw-room-ways", names.map((name) => ways[name]));
  const node = make("div", "sw-room-deeds", [group(["class", "model", "again"]), group(["last", "next"]), group(["take", "full", "hide", "close"])], { role: "group", "aria-label": t("room") });
  return {
    node,
    draw() {
      const { phase } = line.state;
      const held = document.activeElement;
      ways.class.hidden = phase !== "point";
      ways.model.hidden = phase === "model";
      ways.again.hidden = phase === "point";
      ways.take.hidden = !kit.desk() || isAbout(line, kit.desk());
      ways.full.hidden = !document.fullscreenEnabled;
      if (held && held.hidden) (ways.model.hidden ? ways.next : ways.model).focus({ preventScroll: true });
    },
  };
}

// Whether a room is about the caption on show on the page.
function isAbout({ about, room }, desk) {
  return about === desk.view.photo.address && room.words.join(" ") === desk.caption().words.map(({ word }) => word).join(" ");
}

function toggleFull(node) {
  const change = document.fullscreenElement ? document.exitFullscreen() : node.requestFullscreen();
  change.catch(() => undefined);
}

// A room ends at the second press, so that no slip ends a lesson.
function askToClose({ t, line, hide }, way) {
  if (way.dataset.sure) return void line.put({ kind: "room_close" }).then(() => line.room || hide());
  way.dataset.sure = "yes";
  way.textContent = t("room_close_sure");
  window.setTimeout(() => {
    delete way.dataset.sure;
    way.textContent = t("room_close");
  }, 5000);
}
