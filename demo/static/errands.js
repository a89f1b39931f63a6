// From a photo in the photo box to what is shown of it: sent, waited for, stopped, tried again.

const SLOW = 8000; // milliseconds until the visitor is told that it takes a while
const ROOM = 10; // seconds until there is room in a full queue, where the server does not say
const LONGEST = 90; // seconds until it is tried once more by itself
const REMEMBERED = 8; // photos that can be sent again when the server has lost them
const TRIES = 3; // of a photo by itself, once its server answers again

// root: the viewer. loading: whether the model is still loading. show: puts a view on show. refused: says why a photo is not
// taken. reveal: brings the viewer into sight. covered: called when what lies over it has changed.
function makeErrands({ root, texts, send, loading, show, refused, reveal, covered }) {
  const state = { kind: null, photo: null, ahead: 0, share: null, slow: false, seconds: 0, said: "" };
  const photos = new Map(); // a path on the server -> the photo there
  let last = null; // the photo that was sent last
  let tries = 0;
  let giveUp = () => undefined;
  let slowly = null;
  let clock = null;
  const deeds = { again: () => begin(state.photo), stop: () => halt("stopped"), close: () => halt(null) };
  const room = makeWaitingRoom(texts, deeds);
  const redraw = () => room.draw({ ...state, loading: loading() });

  // Who used a button of the room finds the next one, or the new caption, under the same finger.
  function change(patch) {
    const held = document.activeElement;
    Object.assign(state, patch);
    redraw();
    root.classList.toggle("sw-covered", COVERING.includes(state.kind));
    covered();
    if (!room.layer.contains(held) || !held.hidden) return;
    const next = [...room.layer.querySelectorAll("button")].find((way) => !way.hidden) || root.querySelector('.sw-word[tabindex="0"]');
    if (next) next.focus({ preventScroll: true });
  }

  function rest() {
    giveUp();
    giveUp = () => undefined;
    window.clearTimeout(slowly);
    window.clearInterval(clock);
  }

  function halt(kind) {
    rest();
    change({ kind });
  }

  function remember(path, photo) {
    photos.set(path, photo);
    if (photos.size > REMEMBERED) photos.delete(photos.keys().next().value);
  }

  // No answer: tried again by itself as soon as there is a server.
  function lose() {
    halt("lost");
    if (tries < TRIES) giveUp = awaitServer(() => (state.photo ? begin(state.photo, true) : halt(null)));
  }

  // byItself: a try that no one asked for.
  function begin(photo, byItself = false) {
    rest();
    tries = byItself ? tries + 1 : 0;
    if (last && last !== photo) URL.revokeObjectURL(last.url);
    last = photo;
    if (!COVERING.includes(state.kind)) keepHeight(root, room.head);
    change({ kind: "looking", photo, ahead: 0, share: null, slow: false, said: "" });
    reveal();
    slowly = window.setTimeout(() => change({ slow: true }), SLOW);
    giveUp = send(photo, {
      sent: (share) => change({ share: share < 1 ? share : null }),
      ahead: (count) => change({ ahead: count, share: null }),
      full: (seconds) => wait(byItself ? 0 : retryIn(seconds || ROOM)),
      lost: lose,
      refused(key, values) {
        state.photo = null;
        halt(null);
        refused(key, values);
      },
      done(view) {
        rest();
        const held = room.layer.contains(document.activeElement);
        Object.assign(state, { kind: null, photo: null });
        if (view.source && photo.locate) remember(view.source.path, photo);
        show(view);
        change({ said: view.kind === "result" ? view.captions[view.ranking[view.width][0]].text : "" });
        const word = held && root.querySelector('.sw-word[tabindex="0"], .sw-problem button');
        if (word) word.focus({ preventScroll: true });
      },
    });
  }

  // The queue is full: count down and try once more, or leave it to the visitor.
  function wait(seconds) {
    rest();
    change({ kind: "full", seconds });
    if (!seconds) return;
    clock = window.setInterval(() => {
      if (state.seconds > 1) change({ seconds: state.seconds - 1 });
      else begin(state.photo, true);
    }, 1000);
  }

  return {
    layer: room.layer,
    covering: () => (COVERING.includes(state.kind) ? state.kind : null),
    again: () => begin(last),
    redraw,
    pending: () => state.photo,
    take: (photo) => begin(photo),
    // The photo in the box is to go: the one that has no caption yet, else the one on show.
    remove() {
      if (COVERING.includes(state.kind)) return void halt("stopped");
      const { photo } = state;
      state.photo = null;
      halt(null);
      if (photo) return undefined;
      change({ said: "" });
      return show(null);
    },
    untaken() {
      state.photo = null;
      tries = 0;
      lose();
    },
    // The new path of a photo that the server has lost, or null where its file is not at hand.
    async findAgain(path) {
      const photo = photos.get(path);
      if (!photo) return null;
      photo.path = await photo.locate(() => undefined);
      remember(photo.path, photo);
      return photo.path;
    },
  };
}

// Not a whole class at the same time.
function retryIn(seconds) {
  return Math.round(Math.min(LONGEST, seconds * (1 + Math.random() / 2)));
}

// What covers the result is as high as the result, and its head as high as the result's: the photo then stays in its
// place when the caption comes.
function keepHeight(root, head) {
  const before = root.querySelector(":scope > .sw-head");
  const caption = before && before.querySelector(".sw-caption"); // what stands above it is of that result alone
  const margin = caption && parseFloat(window.getComputedStyle(caption).marginTop);
  const height = caption && before.getBoundingClientRect().bottom - caption.getBoundingClientRect().top + margin;
  root.style.setProperty("--sw-height", `${root.offsetHeight}px`);
  head.style.setProperty("--sw-head-height", height ? `${height}px` : "");
}
