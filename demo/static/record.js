// The result on show as the record that captioner/description.py reads: what `Description.load` opens, with the photo and
// what the page adds to it under keys of their own. Numbers have the digits the page has.

const RECORD_FORMAT = "saywhere-description-2";
const RECORD_END = "<end>"; // the word for a caption's end; a view has the empty one
const FATES = { g: "given", k: "kept", f: "finished", p: "pruned", c: "cut" };
const LEAST = 0.00005; // probability that a rounded 0 may stand for

function rounded(value, digits) {
  return Number(value.toPrecision(digits));
}

// A map's cells, which sum to 1 again after their rounding.
function recordMap(weights) {
  const sum = weights.reduce((total, weight) => total + weight, 0) || 1;
  return Array.from(weights, (weight) => rounded(weight / sum, 5));
}

function recordRivals(rivals) {
  return rivals.map(({ word, probability }) => [word || RECORD_END, rounded(Math.log(Math.max(probability, LEAST)), 6)]);
}

function recordCaption(caption, power) {
  const { words } = caption;
  const said = words.reduce((sum, word) => sum + word.log_prob, 0);
  return {
    words: words.map(({ word }) => word),
    log_probs: words.map((word) => word.log_prob),
    end_log_prob: caption.finished ? Math.min(0, rounded(caption.log_prob - said, 6)) : null,
    attention: words.map(({ map }) => map),
    gate: words.map(({ gate }) => gate),
    alternatives: words.map(({ rivals }) => recordRivals(rivals)),
    score: scoreOf(caption, power),
    finished: caption.finished,
  };
}

// One row per branch: step, parent, word, log-probability, total, score, fate, margin, glimpse.
function recordTree(tree, words, power) {
  const totals = [];
  return tree.parents.map((parent, i) => {
    totals.push(tree.log_probs[i] + (parent < 0 ? 0 : totals[parent]));
    const total = rounded(totals[i], 7);
    const score = rounded(total / (tree.steps[i] + 1) ** power, 7);
    return [tree.steps[i], parent, words[tree.words[i]] || RECORD_END, tree.log_probs[i], total, score, FATES[tree.fates[i]], tree.margins[i], tree.glimpses[i]];
  });
}

function makeRecord(desk) {
  const { view, maps } = desk;
  const power = view.normalisation;
  const count = decodeBytes(view.maps.fractions).length / 2 / maps.total;
  return {
    format: RECORD_FORMAT,
    captions: view.captions.map((caption) => recordCaption(caption, power)),
    ranking: view.ranking,
    trees: Object.fromEntries(Object.entries(view.trees.widths).map(([width, tree]) => [width, recordTree(tree, view.trees.words, power)])),
    grid: view.grid,
    native: view.native,
    model: view.model,
    strangeness: view.strangeness,
    glimpses: {
      attention: view.glimpses.map(({ map }) => map),
      gate: view.glimpses.map(({ gate }) => gate),
      alternatives: view.glimpses.map(({ rivals }) => recordRivals(rivals)),
    },
    maps: Array.from({ length: count }, (_, i) => recordMap(maps.weightsOf(i))),
    photo: view.photo.address,
    trained_on: view.trained_on,
    normalisation: power,
    preset: view.preset,
  };
}
