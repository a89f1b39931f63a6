// Going on from words that the search had given up: the question to the server, what is said while it is under way, and
// the banner above a caption whose beginning was given.

function phrase(words) {
  return words.reduce((text, word) => (text && !word.startsWith("'") ? `${text} ${word}` : text + word), "");
}

// How many words of this result were forced.
function givenWords(view) {
  const tree = Object.values((view.trees || { widths: {} }).widths)[0];
  return tree ? [...tree.fates].filter((fate) => fate === "g").length : 0;
}

// Search on from these words. `place` names where that was asked, so that the waiting and a refusal are told there. A
// newer question replaces an older one, whose answer is then not shown. Another preset's answer takes the place of the
// result on show.
async function goOn(desk, words, place, preset = desk.view.preset) {
  const asked = { place, words, problem: null };
  desk.change({ forcing: asked });
  let answer = null;
  try {
    answer = await desk.ask({ kind: "continue", photo: desk.view.source || { url: desk.view.photo.address }, words, preset });
  } catch (problem) { // no answer: said below
  }
  if (desk.state.forcing !== asked || !desk.stage.isConnected) return;
  if (answer && answer.kind === "result") {
    desk.change({ forcing: null });
    if (preset === desk.view.preset) desk.follow(answer);
    else desk.swap(answer);
    return;
  }
  const problem = answer && answer.kind === "problem" ? desk.sentence(answer.message) : desk.t("unreachable");
  desk.change({ forcing: { ...asked, problem } });
}

// Says near where someone asked that the search is under way, or why there is no answer.
function mountForcing(desk, place) {
  const line = make("p", "sw-forcing", null, { role: "status" });
  desk.on(["forcing"], ({ forcing }) => {
    const here = forcing && forcing.place === place ? forcing : null;
    line.classList.toggle("sw-forcing-now", Boolean(here && !here.problem));
    line.classList.toggle("sw-forcing-problem", Boolean(here && here.problem));
    if (!here || here.problem) line.textContent = here ? here.problem : "";
    else line.replaceChildren(...filledWith(desk.t(here.words.length ? "forcing" : "preset_waiting"), { words: spoken(phrase(here.words)) }));
  });
  return line;
}

// A word that was likely after the words `before`; a button that forces it, where there is a server.
function rivalRow(desk, rival, before, own, place) {
  const name = rival.word ? spoken(rival.word, "sw-rival-word") : make("span", "sw-rival-word", desk.t("stop"));
  const share = make("span", "sw-rival-share", percent(rival.probability));
  const row = make("li", own === rival.word ? "sw-rival sw-chosen" : "sw-rival");
  row.style.setProperty("--sw-share", rival.probability);
  if (desk.ask && rival.word) {
    const words = [...before, rival.word];
    const force = button("sw-force", namedBy(desk.t("force_label"), { word: name, probability: share }), { title: desk.t("force_title", { words: phrase(words) }) });
    force.addEventListener("click", () => goOn(desk, words, place));
    row.append(force);
  } else row.append(make("span", "sw-force", [name, share]));
  return row;
}

function forceHelp(desk) {
  return help(desk.t(desk.ask ? "force_help" : "force_offline"));
}

// What was forced, what the caption was before, and the way back; nothing where nothing was forced.
function mountGiven(desk) {
  const { forcing } = desk.state;
  if (forcing && !forcing.problem) desk.change({ forcing: null }); // drawn anew, its answer will not be shown
  const count = givenWords(desk.view);
  const { experiment } = desk.view;
  if (!count && !experiment) return [];
  const words = captionWords(desk.caption()).slice(0, count);
  const title = experiment ? desk.t(`given_${experiment}`) : filledWith(desk.t("given_title"), { words: spoken(phrase(words)) });
  const lines = [make("strong", "sw-given-title", title)];
  if (desk.before && desk.before.view.kind === "result") {
    const { view, state } = desk.before;
    const caption = view.captions[state.caption];
    lines.push(make("span", "sw-given-before", filledWith(desk.t("given_before"), {
      text: spoken(caption.text), before: signed(scoreOf(caption, state.power)), now: signed(scoreOf(desk.caption(), desk.state.power)),
    })));
  }
  const banner = make("div", "sw-given", [make("p", null, lines)], { role: "status", tabindex: -1 });
  if (desk.back) {
    const undo = button("sw-button sw-undo", desk.t("undo"));
    undo.addEventListener("click", desk.back);
    banner.append(undo);
  }
  return [banner];
}
