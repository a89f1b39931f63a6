// Two captions word by word: what stayed, what was replaced, lost and won; and how far two maps lie apart.

const EDIT = 1000; // one edit outweighs any number of kept words; of equally few edits the one that keeps more words wins

// costs[i][j]: of turning words[i..] into others[j..].
function alignmentCosts(words, others) {
  const costs = Array.from({ length: words.length + 1 }, () => new Array(others.length + 1).fill(0));
  for (let i = words.length; i >= 0; i -= 1) {
    for (let j = others.length; j >= 0; j -= 1) {
      const ways = [];
      if (i < words.length && j < others.length) ways.push(costs[i + 1][j + 1] + (words[i] === others[j] ? -1 : EDIT));
      if (i < words.length) ways.push(costs[i + 1][j] + EDIT);
      if (j < others.length) ways.push(costs[i][j + 1] + EDIT);
      costs[i][j] = ways.length ? Math.min(...ways) : 0;
    }
  }
  return costs;
}

// Columns {kind, left, right}: the places of both words, null where there is none. Of equally cheap ways the one that
// replaces late is taken: "red dog" -> "cat" is red lost and dog replaced, since a noun stands behind what describes it.
function alignWords(words, others) {
  const costs = alignmentCosts(words, others);
  const columns = [];
  for (let i = 0, j = 0; i < words.length || j < others.length;) {
    const [now, both] = [costs[i][j], i < words.length && j < others.length];
    let kind = "changed";
    if (both && words[i] === others[j] && now === costs[i + 1][j + 1] - 1) kind = "same";
    else if (i < words.length && now === costs[i + 1][j] + EDIT) kind = "lost";
    else if (j < others.length && now === costs[i][j + 1] + EDIT) kind = "won";
    columns.push({ kind, left: kind === "won" ? null : i, right: kind === "lost" ? null : j });
    i += kind === "won" ? 0 : 1;
    j += kind === "lost" ? 0 : 1;
  }
  return columns;
}

// Half the summed difference: 0 for maps that are alike, 1 for maps that share no cell.
function mapDistance(map, other) {
  let sum = 0;
  for (let i = 0; i < map.length; i += 1) sum += Math.abs(map[i] - other[i]);
  return sum / 2;
}

function mirrorMap(map, width) {
  return map.map((_, i) => map[i - (i % width) + (width - 1 - (i % width))]);
}

// "Two words changed: dog → cat, man → boy; one word lost: brown."
function alignmentSummary(desk, columns, words, others) {
  const numbers = desk.t("compare_numbers").split("|");
  const said = { changed: (column) => `${words[column.left]} → ${others[column.right]}`, lost: (column) => words[column.left], won: (column) => others[column.right] };
  const parts = Object.entries(said).flatMap(([kind, name]) => {
    const found = columns.filter((column) => column.kind === kind);
    if (!found.length) return [];
    const number = numbers[found.length] || String(found.length);
    const values = { number, list: spoken(found.map(name).join(", ")) };
    const said = desk.t(found.length === 1 ? `compare_one_${kind}` : `compare_some_${kind}`);
    return [filledWith(said, values)];
  });
  if (!parts.length) return [desk.t("compare_unchanged")];
  const [first, ...rest] = parts.flatMap((part, place) => (place ? ["; ", ...part] : part));
  return [sentenceCase(first), ...rest, "."];
}
