// The cards of one look: a cell's score, its share, the weighted sum, the gate.

const SCORE_CARD = {
  name: "score",
  here: true,
  needs: "inside",
  lit: ["stage"],
  cell: true,
  words: true,
  equations: ["e_{ti} = w · ReLU(U a_i + W h_{t−1}) + b"],
  paper: "4",
  did: (desk, then) => desk.state.boxCell !== null && desk.state.boxCell !== then.boxCell,
  figure(desk, inside) {
    if (!inside) return sideBySide(cellChooser(desk));
    const { score, sizes } = inside;
    const cell = boxCell(desk);
    let shown = 0;
    const rows = score.dimensions[cell].map((dimension, place) => {
      const [encoder, decoder, weight] = [score.encoder[cell][place], score.decoder[dimension], score.weights[dimension]];
      const open = Math.max(0, encoder + decoder);
      shown += weight * open;
      return { row: [String(dimension), brief(encoder), brief(decoder), brief(open), brief(weight), brief(weight * open)] };
    });
    const rest = score.scores[cell] - score.bias - shown;
    const others = desk.t("box_other_dimensions", { count: sizes.attention - rows.length });
    const line = (name, value, kind) => ({ row: [name, "", "", "", "", brief(value)], kind });
    rows.push(line(others, rest), line(desk.t("box_bias"), score.bias), line(desk.t("box_score_sum"), score.scores[cell], "sw-total"));
    const head = ["dimension", "encoder_part", "decoder_part", "relu", "weight", "product"].map((key) => desk.t(`box_${key}`));
    return sideBySide(cellChooser(desk, { shares: inside.score.shares }), make("div", "sw-sums", [
      workedTable(desk.t("box_score_title"), head, rows), help(desk.t("box_open", { open: score.open[cell], count: sizes.attention })),
    ]));
  },
};

const SHARE_CARD = {
  name: "share",
  needs: "inside",
  lit: ["caption", "stage"],
  cell: true,
  words: true,
  equations: ["α_{ti} = exp(e_{ti}) ÷ Σ_k exp(e_{tk})"],
  paper: "5",
  did: (desk, then) => desk.state.word !== then.word || desk.state.caption !== then.caption,
  figure(desk, inside) {
    const cell = boxCell(desk);
    if (!inside) return sideBySide(cellChooser(desk), strongestCells(desk, boxWeights(desk)));
    const { scores, shares } = inside.score;
    const highest = Math.max(...scores);
    const raised = (score) => Math.exp(score - highest);
    const sum = scores.reduce((total, score) => total + raised(score), 0);
    return sideBySide(cellChooser(desk, { shares: inside.score.shares }), make("div", "sw-sums", [
      working(desk.t("box_this_cell"), `exp(${difference(scores[cell], highest)}) = ${brief(raised(scores[cell]))}`),
      working(desk.t("box_all_cells", { total: scores.length }), `Σ_k exp(e_k ${highest < 0 ? "+" : "−"} ${brief(Math.abs(highest))}) = ${brief(sum)}`),
      working(desk.t("box_share_of"), `${brief(raised(scores[cell]))} ÷ ${brief(sum)} = ${finePercent(shares[cell])}`),
      help(desk.t("box_highest")), strongestCells(desk, shares, scores),
    ]));
  },
};

function strongestCells(desk, shares, scores) {
  const cell = boxCell(desk);
  const best = [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, 5);
  if (!best.includes(cell)) best.push(cell);
  const rows = best.map((place) => ({
    name: cellName(desk, place) + (scores ? ` · ${desk.t("box_score_value", { score: brief(scores[place]) })}` : ""),
    share: shares[place] / shares[best[0]],
    value: finePercent(shares[place]),
    on: place === cell,
  }));
  return make("div", "sw-sums", [make("h5", null, desk.t("box_strongest_cells")), shareRows(rows)]);
}

// Buttons for the channels that are shown.
function channelChooser(desk, channels) {
  const chosen = Math.min(desk.state.boxChannel || 0, channels.length - 1);
  const nodes = channels.map((channel, place) => {
    const node = button("sw-button", desk.t("box_channel", { channel }), { "aria-pressed": String(place === chosen), "data-keep": `channel ${place}` });
    node.addEventListener("click", () => desk.change({ boxChannel: place }));
    return node;
  });
  return make("div", "sw-channels", nodes, { role: "group", "aria-label": desk.t("box_channels_label") });
}

const CONTEXT_CARD = {
  name: "context",
  here: true,
  needs: "inside",
  lit: ["stage"],
  cell: true,
  words: true,
  watch: ["boxChannel"],
  equations: ["ẑ_t = Σ_i α_{ti} a_i"],
  paper: "6",
  did: (desk, then) => (desk.state.boxChannel || 0) !== (then.boxChannel || 0),
  figure(desk, inside) {
    if (!inside) return sideBySide(cellChooser(desk));
    const { context, score } = inside;
    const place = Math.min(desk.state.boxChannel || 0, context.channels.length - 1);
    const values = context.annotations[place];
    const products = values.map((value, at) => value * score.shares[at]);
    const cell = boxCell(desk);
    const channel = context.channels[place];
    const rest = context.context[place] - products[cell];
    return sideBySide(cellChooser(desk, { shares: inside.score.shares }), make("div", "sw-sums", [
      channelChooser(desk, context.channels),
      make("div", "sw-product", [
        namedGrid(desk, score.shares, desk.t("box_attention")), make("span", "sw-times", "×"),
        namedGrid(desk, values, desk.t("box_what_cells_say", { channel })), make("span", "sw-times", "="),
        namedGrid(desk, products, desk.t("box_read")),
      ]),
      working(desk.t("box_this_cell"), `${finePercent(score.shares[cell])} × ${brief(values[cell])} = ${brief(products[cell])}`),
      working(desk.t("box_rest_cells", { total: values.length - 1 }), brief(rest)),
      working(desk.t("box_context_sum", { channel }), `${addition(products[cell], rest)} = ${brief(context.context[place])}`),
      help(desk.t("box_colours", { count: inside.sizes.annotation })),
    ]));
  },
};

function lowestPlace(words, key) {
  return words.reduce((best, word, place) => (word[key] < words[best][key] ? place : best), 0);
}

const GATE_CARD = {
  name: "gate",
  needs: "inside",
  lit: ["caption", "word"],
  words: true,
  equations: ["β_t = σ(V h_{t−1} + b_V)", "z_t = β_t ⊙ ẑ_t"],
  paper: "4.2.1",
  did: (desk) => desk.state.word === lowestPlace(desk.caption().words, "gate"),
  figure(desk, inside) {
    const gates = desk.caption().words.map((word, place) => ({ name: spoken(word.word), share: word.gate, value: percent(word.gate), on: place === desk.state.word }));
    const all = make("div", "sw-sums", [make("h5", null, desk.t("box_gate_words")), shareRows(gates)]);
    if (!inside) return sideBySide(all);
    const { context, sizes } = inside;
    const sums = context.channels.map((channel, place) => working(desk.t("box_channel", { channel }), `${brief(context.gate[place])} × ${brief(context.context[place])} = ${brief(context.gated[place])}`));
    const most = Math.max(...context.gate_bars);
    const bars = context.gate_bars.map((count, place) => {
      const bar = make("span", "sw-gate-bar", [make("span", "sw-gate-fill")], { title: `${place * 10}–${place * 10 + 10} %: ${count}` });
      bar.style.setProperty("--sw-share", count / most);
      return bar;
    });
    return sideBySide(all, make("div", "sw-sums", [
      ...sums, make("h5", null, desk.t("box_gate_bars", { count: sizes.annotation, mean: percent(context.gate_mean) })),
      make("div", "sw-gate-bars", bars, { role: "img", "aria-label": desk.t("box_gate_alt", { mean: percent(context.gate_mean) }) }),
      make("div", "sw-scale-ends", [make("span", null, desk.t("box_closed")), make("span", null, desk.t("box_open_gate"))]),
    ]));
  },
};
