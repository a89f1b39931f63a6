// A photo's way through the server's queue, by Gradio's own addresses. Each photo goes in a session of its own, so that
// giving one up never touches another, and a refusal is an answer to read rather than a message of Gradio's.

const SILENCE = 60000; // milliseconds; the queue gives a sign of life every 15 s
const PATIENCE = 90000; // milliseconds a question may take: 20 s for its turn, and the work itself
const COME_AGAIN = [429, 503]; // too many requests from this address, or a full queue

function serverAddress(path) {
  const { root = "", api_prefix = "/gradio_api" } = window.gradio_config || {};
  return `${root}${api_prefix}/${path}`;
}

function postJson(path, value) {
  const headers = { "Content-Type": "application/json" };
  return fetch(serverAddress(path) + window.location.search, { method: "POST", headers, body: JSON.stringify(value) });
}

// The photo box's photos from now on: `take` is called with what Gradio says of a file, or null when it was taken
// away; `untaken` when an example could not be fetched.
function hearPhotos(take, untaken) {
  window.addEventListener("sw-photo", (event) => take(event.detail));
  window.addEventListener("sw-no-photo", untaken);
}

// The name this page goes by at the server, for which only its last photo waits. Nobody else knows it.
const VISITOR = newNonce();

// Ask for the photo's caption. told: {ahead(count) of photos before it, 0 once its turn has come; done(view);
// full(seconds until there is room, where that is known): no more may wait; lost(): no answer}. One of the last three
// ends it. Returns what gives it up.
function sendPhoto(photo, told) {
  const session = newNonce();
  let ended = false;
  let messages = null;
  let event = null; // its name at the server
  let silence = null;

  function end(how, value) {
    if (ended) return;
    ended = true;
    window.clearTimeout(silence);
    if (messages) messages.close();
    if (how) told[how](value);
  }
  function hear() {
    window.clearTimeout(silence);
    silence = window.setTimeout(() => end("lost"), SILENCE);
  }
  const meaning = {
    estimation: ({ rank }) => told.ahead(rank + 1),
    progress: ({ progress_data: [place] }) => place && told.ahead(place.index), // see look in demo/page.py
    process_completed: ({ success, output }) => {
      const said = success && output.data && output.data[0]; // a view, as text
      if (!said) return end("lost");
      const view = JSON.parse(said);
      if (view.kind === "full") return end("full", view.seconds);
      return end("done", view);
    },
    unexpected_error: () => end("lost"),
  };
  async function join() {
    const joined = await postJson("call/look", { data: [{ path: photo.path, preset: photo.preset, visitor: VISITOR }], session_hash: session });
    if (COME_AGAIN.includes(joined.status)) return end("full");
    if (!joined.ok) return end("lost");
    event = (await joined.json()).event_id;
    if (ended) return leaveQueue(session, event);
    messages = new EventSource(serverAddress(`queue/data?session_hash=${session}`));
    messages.onerror = () => end("lost");
    messages.onmessage = ({ data }) => {
      hear();
      const message = JSON.parse(data);
      if (meaning[message.msg]) meaning[message.msg](message);
    };
    return undefined;
  }
  hear();
  join().catch(() => end("lost"));
  return () => {
    end(null);
    if (event) leaveQueue(session, event);
  };
}

// What waits leaves, what is under way stops; with the number of no function, Gradio itself has nothing to end.
function leaveQueue(session, event) {
  postJson("cancel", { session_hash: session, event_id: event, fn_index: -1 }).catch(() => undefined);
}

// A question that gets no answer in time ends like one that could not be put.
function withPatience(ask) {
  return (question) => {
    let timer = null;
    const late = new Promise((_, refuse) => {
      timer = window.setTimeout(() => refuse(new Error("no answer")), PATIENCE);
    });
    return Promise.race([ask({ ...question, visitor: VISITOR }), late]).finally(() => window.clearTimeout(timer));
  };
}
