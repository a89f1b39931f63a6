// Room mode: a teacher opens a room on the caption on show, pupils join it by a code, and all point at the same photo.
// The room lies in a dialog over the page; what it shows comes from the server alone, so that it outlives a reload.

const ROOM_KEY = "saywhere-room"; // the pass, kept until the window is closed
const ROOM_PULSE = 1500; // milliseconds from one look at the room's state to the next
const ROOM_SLOW = 6000; // where the server does not answer, or nobody looks

function keepPass(pass) {
  try {
    if (pass) window.sessionStorage.setItem(ROOM_KEY, pass);
    else window.sessionStorage.removeItem(ROOM_KEY);
  } catch (problem) {
    // a browser that keeps nothing: the pass lasts as long as the page
  }
}

function keptPass() {
  try {
    return window.sessionStorage.getItem(ROOM_KEY);
  } catch (problem) {
    return null;
  }
}

// The code in the page's address, which is then taken out of it.
function codeInAddress() {
  const address = new URL(window.location.href);
  const code = address.searchParams.get("room");
  if (code === null) return null;
  address.searchParams.delete("room");
  window.history.replaceState(window.history.state, "", address);
  return code;
}

// Where this page is, without anything that follows.
function pageAddress() {
  return `${window.location.origin}${window.location.pathname}`;
}

// The room this page is in, kept up to date: `state` is what the server says, `wanted` a point on its way there, `about`
// the photo a teacher opened it on. heard: called with what is to be drawn anew: "screen", when a room was entered or
// left, or "state".
function makeRoomLine(ask, heard) {
  const line = { room: null, state: null, problem: "", lost: false, wanted: null, about: null };
  let timer = null;

  function leave(problem = "") {
    window.clearTimeout(timer);
    keepPass(null);
    Object.assign(line, { room: null, state: null, problem, lost: false, wanted: null, about: null });
    heard("screen");
  }
  function enter(room) {
    keepPass(room.pass);
    Object.assign(line, { room, state: room.state, problem: "", lost: false, wanted: null });
    heard("screen");
    beat();
  }
  // What the server said of the room; what is older than what is known says nothing.
  function take(state) {
    if (!line.room || state.version < line.state.version) return;
    const news = state.lessons !== undefined && state.lessons !== line.state.lessons;
    line.state = { ...line.state, ...state };
    if (news) enterAgain();
    else heard("state");
  }
  const enterAgain = () => line.put({ kind: "room_join", address: pageAddress() });

  function beat() {
    window.clearTimeout(timer);
    timer = window.setTimeout(look, line.lost || document.hidden ? ROOM_SLOW : ROOM_PULSE);
  }
  async function look() {
    const { room } = line;
    if (!room) return;
    await line.put({ kind: "room_state", version: line.state.version }, true);
    if (line.room === room) beat();
  }

  // Put a question about the room, with its pass; what it answers is taken up. quiet: what goes wrong is not told.
  line.put = async (question, quiet = false) => {
    const pass = question.pass || (line.room && line.room.pass);
    const before = line.room;
    let answer = null;
    try {
      answer = await ask(pass && question.code === undefined ? { ...question, pass } : question);
    } catch (lost) {
      answer = null;
    }
    if (line.room !== before) return null; // left meanwhile
    line.lost = !answer;
    if (!answer) heard("state");
    else if (answer.kind === "room") {
      if (question.photo) line.about = question.photo.url;
      enter(answer);
    } else if (answer.kind === "room_gone") leave("room_gone");
    else if (answer.kind === "room_state") {
      if (!quiet) line.problem = "";
      take(answer);
    } else {
      line.problem = answer.message;
      if (line.state) line.state.version = -1; // look anew: what was believed does not hold
      heard("state");
    }
    return answer;
  };
  line.leave = leave;
  line.point = (point) => {
    line.wanted = point;
    heard("state");
  };
  document.addEventListener("visibilitychange", () => line.room && !document.hidden && look());
  return line;
}

// Gives the dialog, what opens it on a desk, and what opens it by itself once the dialog is on the page.
function makeRooms(tongue, ask) {
  const layer = make("dialog", "sw-room");
  let screen = { draw: () => undefined };
  let opening = false; // a teacher waits for a room
  let desk = null; // the caption on show on the page
  const t = (key, values) => fill(tongue.texts()[key] || key, values);
  const line = makeRoomLine(ask, (what) => (what === "screen" ? lay() : screen.draw()));
  const hide = () => layer.close();
  const teach = () => line.put({ ...roomLesson(desk), address: pageAddress() });
  const kit = { t, line, hide, teach, sentence: tongue.sentence, desk: () => desk };

  function lay() {
    if (document.fullscreenElement && layer.contains(document.fullscreenElement) && !line.room) document.exitFullscreen().catch(() => undefined);
    const { room } = line;
    const had = layer.contains(document.activeElement);
    screen = room ? roomScreen(kit) : opening ? openingScreen(kit) : joinScreen(kit);
    layer.lang = tongue.language();
    layer.classList.toggle("sw-room-teaching", Boolean(room && room.teaching));
    layer.setAttribute("aria-label", t(room && room.teaching ? "room" : "room_join"));
    layer.replaceChildren(screen.node);
    screen.draw();
    if (had && layer.open) screen.focus();
  }
  function show() {
    lay();
    if (!layer.open) layer.showModal();
    screen.focus();
  }
  tongue.listen(() => layer.open && lay());
  document.addEventListener("click", (event) => {
    if (!event.target.closest || !event.target.closest("[data-sw-join]")) return;
    Object.assign(line, { problem: "", lost: false });
    opening = false;
    show();
  });

  // On the caption of a desk; where a room is open already, it is shown first.
  function start(now) {
    desk = now;
    if (line.room && line.room.teaching) return show();
    opening = true;
    line.leave();
    show();
    return teach();
  }
  // Into the room this window was in, or the one its address names.
  async function comeIn() {
    const [code, pass] = [codeInAddress(), keptPass()];
    if (code === null && !pass) return;
    if (pass) {
      const back = await line.put({ kind: "room_join", pass, address: pageAddress() });
      if (line.room && (code === null || line.room.code === code.toUpperCase())) return void show();
      if (back && back.kind === "problem") line.leave();
    }
    if (code === null) return;
    line.leave();
    show();
    screen.join(code);
  }
  return { layer, start, comeIn };
}

// What a room is opened on: the caption on show, with its photo and its maps.
function roomLesson(desk) {
  const words = desk.caption().words.map(({ word, log_prob, map }) => ({ word, log_prob, map: recordMap(desk.maps.weightsOf(map)) }));
  return { kind: "room_open", photo: { url: desk.view.photo.address }, grid: desk.view.grid, words, place: desk.state.word };
}
