// A photo's way through the server's queue, by Gradio's own addresses. Each photo goes in a session of its own, so that
// giving one up never touches another, and a refusal is an answer to read rather than a message of Gradio's.

const SILENCE = 60000; // milliseconds; the queue gives a sign of life every 15 s
const PATIENCE = 90000; // milliseconds a question may take: 20 s for its turn, and the work itself
const COME_AGAIN = [429, 503]; // too many requests from this address, or a full queue
const FIRST_LOOK = 1000; // milliseconds until a server that was lost is looked for, then twice as long each time
const LAST_LOOK = 15000;

function serverAddress(path) {
  const { root = "", api_prefix = "/gradio_api" } = window.gradio_config || {};
  return `${root}${api_prefix}/${path}`;
}

function postJson(path, value) {
  const headers = { "Content-Type": "application/json" };
  return fetch(serverAddress(path) + window.location.search, { method: "POST", headers, body: JSON.stringify(value) });
}

// The examples that are picked from now on: `take` is called with one as a photo, `untaken` when it could not be fetched.
function hearExamples(take, untaken) {
  window.addEventListener("sw-example", ({ detail }) => take({ ...detail, url: serverAddress(`file=${detail.path}`) }));
  window.addEventListener("sw-no-example", untaken);
}

// The name this page goes by at the server, for which only its last photo waits. Nobody else knows it.
const VISITOR = newNonce();

// Ask for the photo's caption. photo: {path on the server, once it is there; locate, which puts it there}. told: {sent(share)
// of its file; ahead(count) of photos before it, 0 once its turn has come; done(view); full(seconds until there is room,
// where that is known): no more may wait; refused(key of a sentence, values): its file is not taken; lost(): no answer}.
// One of the last four ends it. Returns what gives it up.
function sendPhoto(photo, preset, told) {
  const session = newNonce();
  const leaving = new AbortController();
  let ended = false;
  let messages = null;
  let event = null; // its name at the server
  let silence = null;

  function end(how, ...values) {
    if (ended) return;
    ended = true;
    window.clearTimeout(silence);
    leaving.abort();
    if (messages) messages.close();
    if (how) told[how](...values);
  }
  const fail = (problem) => (problem instanceof Refusal ? end("refused", problem.key, problem.values) : end("lost"));
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
      if (view.gone && photo.locate && !located) return findAgain();
      return end("done", view);
    },
    unexpected_error: () => end("lost"),
  };
  let located = false; // on the server since this was begun
  async function locate() {
    located = true;
    photo.path = await photo.locate((share) => {
      hear();
      told.sent(share);
    }, leaving.signal);
  }
  // The server has lost the file, as after a new start.
  function findAgain() {
    messages.close();
    photo.path = null;
    join().catch(fail);
  }
  async function join() {
    if (!photo.path) await locate();
    if (ended) return undefined;
    const joined = await postJson("call/look", { data: [{ path: photo.path, preset, visitor: VISITOR }], session_hash: session });
    if (COME_AGAIN.includes(joined.status)) return end("full");
    if (joined.status === 403) return end("refused", REFUSALS[403]);
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
  join().catch(fail);
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

// Call `back` once the server answers again. Returns what stops looking for it.
function awaitServer(back) {
  let timer = null;
  let stopped = false;
  function look(pause) {
    timer = window.setTimeout(async () => {
      const found = await fetch(serverAddress("../health"), { cache: "no-store" }).then((answer) => answer.json()).catch(() => null);
      if (stopped) return;
      if (found) back();
      else look(Math.min(LAST_LOOK, 2 * pause));
    }, pause * (1 + Math.random() / 2)); // not a whole class at the same time
  }
  look(FIRST_LOOK);
  return () => {
    stopped = true;
    window.clearTimeout(timer);
  };
}

// A photo that the server has lost is asked about all the same: uploaded again where its file is at hand (`findAgain` promises
// its new path, or null), else as it is shown. A question's photo may be a file, which is uploaded first.
function askAbout(view, ask, findAgain) {
  return async (question) => {
    const { file, path } = question.photo || {};
    if (file) return ask({ ...question, photo: { path: await uploadFile(file, () => undefined) } });
    const answer = await ask(question);
    if (!answer || !answer.gone || !path) return answer;
    const fresh = await findAgain(path);
    view.source = fresh && { path: fresh };
    return ask({ ...question, photo: view.source || { url: view.photo.address } });
  };
}
