// The language of the page: the visitor's choice, else the browser's, else English. A language is one file of
// demo/languages; its "sentences" are the server's own, found by their English form.

const LANGUAGE_KEY = "saywhere-language";
const FIRST_LANGUAGE = "en";
const SAID_IN = { swText: "textContent", swTitle: "title", swAlt: "alt", swLabel: "ariaLabel" }; // data-sw-text="key", ...
const SAID_NODES = "[data-sw-text], [data-sw-title], [data-sw-alt], [data-sw-label]";

// The first of the wanted languages that the page knows: the stored one, then the browser's in their order.
function wantedLanguage(known) {
  let stored = null;
  try {
    stored = window.localStorage.getItem(LANGUAGE_KEY);
  } catch (problem) {
    // a browser that keeps nothing
  }
  const wanted = [stored, ...(navigator.languages || []).map((name) => name.split("-")[0])];
  return wanted.find((name) => known.includes(name)) || FIRST_LANGUAGE;
}

function keepLanguage(language) {
  try {
    window.localStorage.setItem(LANGUAGE_KEY, language);
  } catch (problem) {
    // the choice lasts as long as the page
  }
}

// A sentence of the server by its pattern, "… {name} …", or as it came.
function translateSentence(message, sentences) {
  for (const [pattern, translated] of Object.entries(sentences)) {
    const names = [...pattern.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const plain = pattern.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const found = new RegExp(`^${plain.join("([\\s\\S]*?)")}$`).exec(message);
    if (found) return fill(translated, Object.fromEntries(names.map((name, index) => [name, found[index + 1]])));
  }
  return message;
}

// root: the viewer, which says its own texts.
function makeTongue(texts, root) {
  const listeners = [];
  const known = Object.keys(texts);
  let language = wantedLanguage(known);
  let now = {};

  // Everything on the page that names a text, outside the viewer too.
  function translatePage() {
    for (const node of document.querySelectorAll(SAID_NODES)) {
      for (const [name, property] of Object.entries(SAID_IN)) {
        const said = now[node.dataset[name]];
        const set = said && said.replaceAll("|", name === "swText" ? "\n" : " ");
        if (said !== undefined && node[property] !== set) node[property] = set;
      }
    }
    for (const node of document.querySelectorAll("[data-sw-language]")) node.ariaPressed = String(node.dataset.swLanguage === language);
  }

  function choose(next) {
    if (!known.includes(next)) return;
    language = next;
    now = { ...texts[FIRST_LANGUAGE], ...texts[language] };
    document.documentElement.lang = language;
    translatePage();
    for (const listener of listeners) listener();
  }
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest && event.target.closest("[data-sw-language]");
    if (!chosen || chosen.dataset.swLanguage === language) return;
    keepLanguage(chosen.dataset.swLanguage);
    choose(chosen.dataset.swLanguage);
  });
  choose(language);
  // Gradio makes some parts later than the viewer.
  const outside = (mutation) => !root.contains(mutation.target);
  new MutationObserver((mutations) => mutations.some(outside) && translatePage())
    .observe(document.body, { childList: true, subtree: true });

  return {
    texts: () => now,
    language: () => language,
    listen: (listener) => listeners.push(listener),
    sentence: (message) => translateSentence(message, now.sentences || {}),
  };
}
