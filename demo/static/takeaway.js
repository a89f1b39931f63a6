// Take it away: what is on show as files, and a saved record on show again.

const RECORD_LIMIT = 4000000; // bytes; the server takes little more in one question

// What can be taken away: its name in the texts, the file's ending, and whether the server draws it.
const TAKEAWAYS = [
  { name: "gif", ending: "gif", drawn: true },
  { name: "webp", ending: "webp", drawn: true },
  { name: "png", ending: "png", drawn: true },
  { name: "html", ending: "html", make: (desk) => ["text/html", makePageFile(desk)] },
  { name: "record", ending: "json", make: (desk) => ["application/json", JSON.stringify(makeRecord(desk))] },
];

function mountTakeaway(desk) {
  const status = make("p", "sw-takeaway-status", "", { role: "status" });
  const rows = TAKEAWAYS.map((kind) => takeawayRow(desk, kind, status));
  return make("div", "sw-takeaway", [
    help(desk.t("takeaway_help")),
    make("ul", "sw-takeaway-list", rows),
    ...(desk.ask ? [] : [help(desk.t("takeaway_offline"))]),
    status,
    make("h4", null, desk.t("open_title")),
    ...(desk.back ? [backButton(desk)] : []),
    recordOpener({ t: desk.t, ask: desk.ask, sentence: desk.sentence, show: (view) => openBeside(desk, view), photo: desk.view.photo.address }),
  ]);
}

// An opened record is read from its caption; what was on show before can be gone back to.
function openBeside(desk, view) {
  desk.follow(view);
  desk.root.querySelector('.sw-word[tabindex="0"]').focus();
}

function backButton(desk) {
  const node = button("sw-button sw-takeaway-back", desk.t("open_back"));
  node.addEventListener("click", desk.back);
  return node;
}

function takeawayRow(desk, kind, status) {
  const take = button("sw-button", desk.t(`take_${kind.name}`), { "data-take": kind.name });
  take.disabled = Boolean(kind.drawn && !desk.ask) || (kind.name === "html" && !desk.kit);
  take.addEventListener("click", async () => {
    take.disabled = true;
    status.classList.remove("sw-takeaway-problem");
    status.textContent = desk.t("take_working");
    try {
      const name = fileName(desk.caption(), kind.ending);
      const [type, content] = kind.drawn ? await drawnFile(desk, kind.ending) : kind.make(desk);
      const file = new Blob([content], { type });
      handOver(name, file, type);
      status.textContent = desk.t("take_done", { name, size: fileSize(file.size) });
    } catch (problem) {
      status.classList.add("sw-takeaway-problem");
      status.textContent = problem.message;
    }
    take.disabled = false;
  });
  return make("li", "sw-takeaway-row", [take, help(desk.t(`take_${kind.name}_help`))]);
}

// A picture of the caption on show, drawn by the server from the maps on show.
async function drawnFile(desk, format) {
  const words = desk.caption().words.map(({ word, log_prob, map }) => ({ word, log_prob, map: recordMap(desk.maps.weightsOf(map)) }));
  const smooth = desk.state.blend >= 0.5;
  const question = { kind: "picture", format, photo: { url: desk.view.photo.address }, smooth, grid: desk.view.grid, words };
  const { address } = await answerOf(desk, question);
  return [address.slice(5, address.indexOf(";")), addressBytes(address)];
}

// The server's answer; what went wrong is thrown as one sentence in the visitor's language.
async function answerOf({ ask, t, sentence }, question) {
  let answer = null;
  try {
    answer = await ask(question);
  } catch (problem) {
    throw new Error(t("unreachable"));
  }
  if (!answer || answer.kind === "problem") throw new Error(answer ? sentence(answer.message) : t("unreachable"));
  return answer;
}

// A button that puts a saved record on show. photo: what to show it with where the record has none, or null.
function recordOpener({ t, ask, sentence, show, photo }) {
  const choose = make("input", "sw-said", null, { type: "file", accept: ".json,application/json", tabindex: "-1", "aria-hidden": "true" });
  const open = button("sw-button sw-open-record", t("open_record"));
  const status = make("p", "sw-takeaway-status", "", { role: "status" });
  open.disabled = !ask;
  open.addEventListener("click", () => choose.click());
  choose.addEventListener("change", async () => {
    const [file] = choose.files;
    choose.value = "";
    if (!file) return;
    open.disabled = true;
    status.classList.remove("sw-takeaway-problem");
    status.textContent = t("open_working");
    try {
      const record = await readRecord(file, t);
      const photoless = typeof record.photo !== "string" && photo;
      show(await answerOf({ ask, t, sentence }, { kind: "open", record, photo: photoless ? { url: photo } : null }));
    } catch (problem) {
      status.classList.add("sw-takeaway-problem");
      status.textContent = problem.message;
    }
    open.disabled = false;
  });
  return make("div", "sw-open", [open, choose, help(t(ask ? "open_help" : "open_offline")), status]);
}

// What a file holds, if it can be a record at all; the server looks closer.
async function readRecord(file, t) {
  if (file.size > RECORD_LIMIT) throw new Error(t("open_large", { size: fileSize(RECORD_LIMIT) }));
  let record = null;
  try {
    record = JSON.parse(await file.text());
  } catch (problem) {
    throw new Error(t("open_unreadable"));
  }
  if (!record || record.format !== RECORD_FORMAT) throw new Error(t("open_unreadable"));
  return record;
}
