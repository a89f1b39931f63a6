// The result on show as one HTML file that needs neither server nor network: this script, the styles, the texts of all
// languages, and the result as JSON.

// Nothing may be fetched from anywhere, and no script runs but the one the file came with.
function savedPolicy(nonce) {
  return `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'`;
}

// What starts a saved page; the names of its nodes are those of makePageFile.
function openSavedPage() {
  const read = (id) => document.getElementById(id).textContent;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
  dark.addEventListener("change", follow);
  follow();
  const kit = { script: read("sw-script"), style: read("sw-style") };
  mountViewer(document.querySelector(".sw-viewer"), JSON.parse(read("sw-texts")), null, kit)(JSON.parse(read("sw-view")));
}

function safeJson(value) {
  return JSON.stringify(value).replace(/</g, "\\u003c");
}

function newNonce() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The whole file as text. Every text enters as the content of a node, so that the browser writes it safely.
function makePageFile(desk) {
  const { texts, kit } = desk;
  const nonce = newNonce();
  const view = { ...desk.view, source: null, recorded: false, width: desk.state.width };
  const page = document.implementation.createHTMLDocument(`${desk.t("title")}: ${desk.caption().text}`);
  const script = kit.script.replace(/<(?=\/script|!--)/gi, "\\x3c");
  page.documentElement.lang = document.documentElement.lang;
  page.head.prepend(
    make("meta", null, null, { charset: "utf-8" }),
    make("meta", null, null, { "http-equiv": "Content-Security-Policy", content: savedPolicy(nonce) }),
    make("meta", null, null, { name: "viewport", content: "width=device-width, initial-scale=1" }),
  );
  page.head.append(make("style", null, kit.style.replace(/<(?=\/)/g, "\\3c "), { id: "sw-style" }));
  const json = (id, value) => make("script", null, safeJson(value), { id, type: "application/json" });
  page.body.className = "sw-saved";
  page.body.append(
    savedHead(desk, texts),
    make("main", "sw-viewer"),
    make("p", "sw-privacy", desk.t("saved_note"), { "data-sw-text": "saved_note" }),
    json("sw-texts", texts),
    json("sw-view", view),
    make("script", null, script, { id: "sw-script", nonce }),
    make("script", null, "openSavedPage();", { nonce }),
  );
  return `<!doctype html>\n${page.documentElement.outerHTML}`;
}

function savedHead(desk, texts) {
  const buttons = Object.entries(texts).map(([code, { language }]) => button(null, language, { "data-sw-language": code, lang: code }));
  return make("header", "sw-masthead", [
    make("h1", null, desk.t("title")),
    make("p", null, desk.t("tagline"), { "data-sw-text": "tagline" }),
    make("div", "sw-languages", buttons, { role: "group", "aria-label": desk.t("language_label") }),
  ]);
}
