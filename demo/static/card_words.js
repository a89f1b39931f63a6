// The last cards: memory, the next word, the beam, and round again.

const BEAM_ROWS = 8;
const START_TOKEN = "<start>"; // what the decoder reads before the first word

const MEMORY_CARD = {
  name: "memory",
  needs: "inside",
  lit: ["caption"],
  words: true,
  equations: ["(i, f, o, g)_t = (σ, σ, σ, tanh) T (E y_{t−1}, h_{t−1}, z_t)", "c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t", "h_t = o_t ⊙ tanh(c_t)"],
  paper: "1–3",
  did: (desk, then) => desk.state.caption === then.caption && desk.state.word === (then.word + 1) % desk.caption().words.length && desk.state.word !== then.word,
  figure(desk, inside) {
    if (!inside) return help(desk.t("box_memory_without"));
    const { lstm, sizes, previous } = inside;
    const word = previous || START_TOKEN;
    const head = ["unit", "forget", "old", "let_in", "candidate", "new", "out"].map((key) => desk.t(`box_${key}`));
    const rows = lstm.units.map((unit, place) => ({
      row: [unit, ...["forget", "cell_before", "let_in", "candidate", "cell", "hidden"].map((name) => lstm[name][place])].map((value, at) => (at ? brief(value) : String(value))),
    }));
    const first = desk.t("box_cell_sum", { unit: lstm.units[0] });
    const [kept, written] = [lstm.forget[0] * lstm.cell_before[0], lstm.let_in[0] * lstm.candidate[0]];
    const sum = `${brief(lstm.forget[0])} × ${brief(lstm.cell_before[0])} + ${brief(lstm.let_in[0])} × ${brief(lstm.candidate[0])} = ${addition(kept, written)} = ${brief(lstm.cell[0])}`;
    return make("div", "sw-sums", [
      make("p", null, filledWith(desk.t("box_memory_in"), { word: previous ? spoken(word) : word, embedding: sizes.word, hidden: sizes.hidden, annotation: sizes.annotation })),
      workedTable(desk.t("box_memory_title"), head, rows), working(first, sum),
      help(desk.t("box_memory_mean", { count: sizes.hidden, kept: percent(lstm.kept), written: percent(lstm.written) })),
    ]);
  },
};

// A word, or what stands for the caption's end ("") and for one that has no name (null).
function saidOrStop(desk, word) {
  if (word) return spoken(word);
  return desk.t(word === null ? "box_unknown" : "stop");
}

// The words that were likeliest, with what their scores are made of where the model told.
function wordTable(desk, inside) {
  const { words } = inside;
  const names = ["word", "hidden", "context"].filter((name) => name in words.parts);
  const head = [desk.t("box_candidate_word"), ...names.map((name) => desk.t(`box_part_${name}`)), desk.t("box_bias"), desk.t("box_logit"), desk.t("probability")];
  const rows = words.words.map((word, place) => ({
    row: [saidOrStop(desk, word === "<unk>" ? null : word), ...names.map((name) => brief(words.parts[name][place])), brief(words.bias[place]), brief(words.logits[place]), percent(words.probabilities[place])],
    kind: place === words.chosen ? "sw-total" : null,
  }));
  return workedTable(desk.t("box_words_title"), head, rows);
}

const WORDS_CARD = {
  name: "words",
  needs: "inside",
  lit: ["caption", "word"],
  words: true,
  equations: ["p(y_t) = softmax(L_o (E y_{t−1} + L_h h_t + L_z z_t))"],
  paper: "7",
  did: (desk) => desk.state.word === lowestPlace(desk.caption().words, "probability"),
  figure(desk, inside) {
    if (!inside) {
      const word = boxWord(desk);
      const rivals = word ? word.rivals : [];
      return make("div", "sw-sums", [shareRows(rivals.map((rival) => ({
        name: saidOrStop(desk, rival.word), share: rival.probability, value: percent(rival.probability), on: rival.word === word.word,
      })))]);
    }
    const { words, sizes, deep } = inside;
    const sum = Math.exp(words.log_total);
    const chosen = saidOrStop(desk, words.words[words.chosen]);
    return make("div", "sw-sums", [
      ...(deep ? [] : [help(desk.t("box_not_deep"))]), wordTable(desk, inside),
      working(filledWith(desk.t("box_probability_of"), { word: chosen }), `exp(${brief(words.logits[words.chosen])}) ÷ ${sum.toFixed(0)} = ${percent(words.probabilities[words.chosen])}`),
      help(desk.t("box_total_help", { count: sizes.vocabulary })),
    ]);
  },
};

// The best branches of the tree at the step of the chosen word: their words, sums and fates, best first.
function branchesAt(tree, words, step) {
  const totals = [];
  const phrases = [];
  tree.parents.forEach((parent, place) => {
    const word = words[tree.words[place]];
    totals.push((parent < 0 ? 0 : totals[parent]) + tree.log_probs[place]);
    phrases.push([...(parent < 0 ? [] : phrases[parent]), word]);
  });
  return tree.steps.map((at, place) => place).filter((place) => tree.steps[place] === step)
    .map((place) => ({ words: phrases[place], total: totals[place], fate: tree.fates[place] }))
    .sort((a, b) => b.total - a.total);
}

const BEAM_CARD = {
  name: "beam",
  needs: null,
  lit: ["beam"],
  words: true,
  watch: ["width"],
  equations: ["log p(y_1 … y_t) = Σ_s log p(y_s)"],
  did: (desk) => desk.state.width === 1,
  figure(desk) {
    const tree = desk.view.trees && desk.view.trees.widths[desk.state.width];
    const branches = tree ? branchesAt(tree, desk.view.trees.words, desk.state.word) : [];
    if (!branches.length) return help(desk.t("box_no_branches"));
    const shown = branches.slice(0, BEAM_ROWS);
    const [high, low] = [shown[0].total, shown[shown.length - 1].total];
    const rows = shown.map((branch) => ({
      name: [spoken(branch.words.join(" ")), ...(branch.words.at(-1) ? [] : [desk.t("stop")]), ` · ${desk.t(`box_fate_${branch.fate}`)}`],
      share: high > low ? (branch.total - low) / (high - low) : 1,
      value: signed(branch.total),
      on: branch.fate !== "p",
    }));
    return make("div", "sw-sums", [
      make("p", null, desk.t("box_beam_step", { step: desk.state.word + 1, width: desk.state.width, count: branches.length })), shareRows(rows),
    ]);
  },
};

const AGAIN_CARD = {
  name: "again",
  needs: null,
  lit: ["player", "caption"],
  words: true,
  watch: ["playing", "power"],
  equations: ["log p(y) = Σ_t log p(y_t | a, y_1, …, y_{t−1})"],
  did: (desk) => desk.state.playing,
  figure(desk) {
    const caption = desk.caption();
    let sum = 0;
    const row = (name, probability, on) => {
      sum += Math.log(probability);
      return { row: [name, percent(probability), signed(Math.log(probability)), signed(sum)], kind: on ? "sw-total" : null };
    };
    const rows = caption.words.map((word, place) => row(spoken(word.word), word.probability, place === desk.state.word));
    if (caption.finished) rows.push(row(desk.t("stop"), Math.exp(caption.log_prob - sum), false));
    const head = ["box_candidate_word", "probability", "box_logarithm", "box_running"].map((key) => desk.t(key));
    const { power } = desk.state;
    return make("div", "sw-sums", [
      workedTable(desk.t("box_again_title"), head, rows),
      working(desk.t("box_score_of"), `${signed(caption.log_prob)} ÷ ${caption.tokens}^{${power.toFixed(1)}} = ${signed(scoreOf(caption, power))}`),
    ]);
  },
};
