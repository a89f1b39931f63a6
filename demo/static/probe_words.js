// Experiments on words: seen or guessed, and whether the map on show mattered.

const GAIN_FULL = 8; // nats that fill a bar
const CURVES = ["by_attention", "by_chance", "from_centre"];

// A bar under every word: how much more likely the photo makes it, beside the gate.
function mountSeen(desk) {
  const runner = makeRunner(desk, "seen", {
    label: () => desk.t("probe_seen_go"),
    watched: ["caption"],
    question: () => ({}),
    show: ({ gains, log_probs: withPhoto, blind }) => {
      const rows = desk.caption().words.map((word, index) => {
        const bar = (kind, share) => {
          const node = make("span", `sw-seen-bar sw-bar-${kind}`, null, { "aria-hidden": "true" });
          node.style.setProperty("--sw-share", Math.max(0, Math.min(1, share)));
          return node;
        };
        const kind = gains[index] >= 2 ? "seen" : gains[index] >= 0.5 ? "partly" : gains[index] > -0.5 ? "guessed" : "against";
        const values = { word: word.word, gain: nats(gains[index]), with: percent(Math.exp(withPhoto[index])), without: percent(Math.exp(blind[index])), gate: percent(word.gate) };
        const chip = button("sw-seen-word", [spoken(word.word, null, "strong"), bar("gain", gains[index] / GAIN_FULL), bar("gate", word.gate), make("span", "sw-seen-gain", nats(gains[index]))], {
          "aria-label": desk.t("probe_seen_word", { ...values, kind: desk.t(`probe_seen_${kind}`) }), title: desk.t("probe_seen_word", { ...values, kind: desk.t(`probe_seen_${kind}`) }), "data-index": index,
        });
        chip.addEventListener("click", () => desk.setWord(index));
        return chip;
      });
      const named = (wish) => spoken(desk.caption().words.filter((_, index) => wish(gains[index])).map((word) => `“${word.word}”`).join(", ") || "–");
      const sentence = filledWith(desk.t("probe_seen_sentence"), { seen: named((gain) => gain >= 2), guessed: named((gain) => gain < 0.5) });
      return [make("p", "sw-verdict", sentence), make("div", "sw-seen-list", rows), help(desk.t("probe_seen_legend"))];
    },
  });
  return runner.nodes;
}

// Did this map matter? The verdict, and its numbers one click away.
function mountMatter(desk) {
  const runner = makeRunner(desk, "map", {
    label: () => aboutWord(desk, "probe_map_go"),
    question: () => ({ step: desk.state.word }),
    show: (test) => {
      const spread = [Math.min(...test.shuffled), Math.max(...test.shuffled)].map((value) => nats(value - test.log_prob));
      const rows = [
        [desk.t("probe_map_own"), percent(Math.exp(test.log_prob)), ""],
        [desk.t("probe_map_uniform"), percent(Math.exp(test.uniform)), nats(test.uniform - test.log_prob)],
        [desk.t("probe_map_shuffled", { count: test.shuffled.length }), percent(Math.exp(test.log_prob - test.loss)), `${nats(-test.loss)} (${spread.join(" … ")})`],
      ].map((cells) => make("tr", null, cells.map((text, place) => make(place ? "td" : "th", null, text, place ? {} : { scope: "row" }))));
      const head = make("tr", null, ["", desk.t("probability"), desk.t("probe_change")].map((text) => make("th", null, text, { scope: "col" })));
      const table = make("table", "sw-probe-table", [make("thead", null, [head]), make("tbody", null, rows)]);
      const numbers = make("details", "sw-probe-numbers", [make("summary", null, desk.t("probe_numbers")), table, deletionChart(desk, test), help(desk.t("probe_map_deletion"))]);
      const sentence = filledWith(desk.t(`probe_map_${test.verdict}`), { word: spoken(test.word), loss: Math.abs(test.loss).toFixed(2) });
      return [make("p", `sw-verdict sw-verdict-${test.verdict}`, sentence), numbers];
    },
  });
  return runner.nodes;
}

// Three curves: the word's log-probability against the share of the photo's cells that is gone.
function deletionChart(desk, test) {
  const [width, height, left, bottom] = [320, 150, 40, 22];
  const { shares } = test.deletion;
  const all = [test.log_prob, ...CURVES.flatMap((name) => test.deletion[name])];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = (share) => left + (share / shares.at(-1)) * (width - left - 20);
  const y = (value) => 8 + ((high - value) / (high - low || 1)) * (height - bottom - 8);
  const label = desk.t("probe_map_chart", { word: test.word });
  const chart = makeSvg("svg", "sw-chart", null, { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const chartText = (kind, across, down, said) => makeSvg("text", `sw-chart-text ${kind}`, said, { x: across, y: down });
  for (const value of [high, low]) chart.append(chartText("sw-chart-end", left - 6, y(value) + 4, value.toFixed(1).replace("-", "−")));
  for (const share of [0, ...shares.slice(2)]) chart.append(chartText("sw-chart-middle", x(share), height - 6, `${Math.round(100 * share)} %`));
  for (const name of CURVES) {
    const points = [[0, test.log_prob], ...shares.map((share, place) => [share, test.deletion[name][place]])];
    chart.append(makeSvg("polyline", `sw-curve sw-curve-${name}`, null, { points: points.map(([share, value]) => `${x(share)},${y(value)}`).join(" ") }));
  }
  const key = make("p", "sw-chart-key", CURVES.map((name) => make("span", `sw-key-${name}`, desk.t(`probe_${name}`))));
  return make("div", "sw-chart-holder", [chart, key]);
}
