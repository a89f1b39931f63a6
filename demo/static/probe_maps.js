// Experiments that set a map beside another: a second opinion, drawn boxes, a decoder with shuffled weights.

function mountSecond(desk) {
  const runner = makeRunner(desk, "second", {
    label: () => aboutWord(desk, "probe_second_go"),
    question: () => ({ step: desk.state.word }),
    show: ({ attention, attribution, agreement, verdict }) => {
      const own = attention.flat();
      const for_it = attribution.flat().map((value) => Math.max(0, value));
      const against = -attribution.flat().reduce((sum, value) => sum + Math.min(0, value), 0);
      const total = for_it.reduce((sum, value) => sum + value, 0);
      const values = { word: spoken(wordOnShow(desk)), agreement: percent(agreement) };
      const note = desk.t("probe_second_note", { against: percent(against / (against + total || 1)) });
      return [
        make("p", "sw-verdict", filledWith(desk.t(`probe_second_${verdict}`), values)),
        make("div", "sw-probe-tiles", [
          probeTile(desk, own, Math.max(...own), desk.t("probe_second_attention"), desk.t("probe_second_attention")),
          probeTile(desk, for_it, Math.max(...for_it), desk.t("probe_second_gradient"), desk.t("probe_second_gradient")),
        ]),
        help(note),
      ];
    },
  });
  return runner.nodes;
}

// Only for photos on which somebody drew boxes.
function mountBoxCheck(desk) {
  if (!Object.keys(desk.view.boxes || {}).length) return null;
  const runner = makeRunner(desk, "boxes", {
    label: () => desk.t("probe_boxes_go"),
    watched: ["caption"],
    question: () => ({}),
    show: ({ words }) => {
      if (!words.length) return [make("p", "sw-verdict", filledWith(desk.t("probe_boxes_none"), { words: spoken(Object.keys(desk.view.boxes).join(", ")) }))];
      const rows = words.map((word) => make("tr", null, [
        make("th", null, word.word, { scope: "row", lang: CAPTION_LANGUAGE }),
        ...[percent(word.mass), desk.t(word.hit >= 0.5 ? "probe_hit" : "probe_miss"), percent(word.centre_mass), desk.t(word.centre_hit >= 0.5 ? "probe_hit" : "probe_miss")].map((text) => make("td", null, text)),
      ]));
      const head = ["probe_boxes_word", "probe_boxes_mass", "probe_boxes_hit", "probe_boxes_centre_mass", "probe_boxes_centre_hit"];
      const better = words.filter((word) => word.mass > word.centre_mass).length;
      return [
        make("p", "sw-verdict", desk.t("probe_boxes_sentence", { better, count: words.length })),
        make("table", "sw-probe-table", [make("thead", null, [make("tr", null, head.map((key) => make("th", null, desk.t(key), { scope: "col" })))]), make("tbody", null, rows)]),
        help(desk.t("probe_boxes_credit")),
      ];
    },
  });
  return runner.nodes;
}

// A teaching card: the same words with nothing learnt left in the decoder.
function mountShuffled(desk) {
  const runner = makeRunner(desk, "shuffled", {
    label: () => desk.t("probe_shuffled_go"),
    watched: ["caption"],
    question: () => ({}),
    show: ({ maps }) => {
      const shuffled = maps.map((map) => map.flat());
      const own = desk.caption().words.map((word) => Array.from(desk.maps.weightsOf(word.map)));
      const top = Math.max(...own.flat(), ...shuffled.flat());
      const distance = own.reduce((sum, map, index) => sum + mapDistance(map, shuffled[index]), 0) / own.length;
      const row = (title, kept) => make("div", "sw-probe-row", [
        make("h4", null, title),
        make("div", "sw-probe-strip", kept.map((map, index) => {
          const { word } = desk.caption().words[index];
          return probeTile(desk, map, top, spoken(word), `${title}: ${word}`);
        })),
      ]);
      return [
        make("p", "sw-verdict", desk.t("probe_shuffled_sentence", { distance: distance.toFixed(2) })),
        row(desk.t("probe_shuffled_own"), own), row(desk.t("probe_shuffled_other"), shuffled),
      ];
    },
  });
  return runner.nodes;
}
