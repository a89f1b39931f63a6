// The viewer's parts: small makers of nodes, and the whole result's skeleton. Text only ever enters through
// textContent or setAttribute, so nothing a model or a file says can become markup.

function make(tag, className, content, attributes) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (typeof content === "string") node.textContent = content;
  else if (content) node.append(...content);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  return node;
}

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

// Score and other negative numbers, with a real minus sign.
function signed(value) {
  return value.toFixed(2).replace("-", "−");
}

function makeNodes(view, texts, widths) {
  const number = () => make("strong", "sw-number");
  const style = (name) => make("button", null, texts[`style_${name}`], { type: "button", "data-style": name });
  return {
    caption: make("div", "sw-caption", null, { role: "group", "aria-label": texts.caption_label }),
    facts: make("span", "sw-facts"),
    photo: make("img", "sw-photo", null, { src: view.photo.address, alt: "" }),
    map: make("canvas", "sw-map", null, { role: "img" }),
    styles: make("div", "sw-styles", ["smooth", "cells", "none"].map(style), { role: "group", "aria-label": texts.style_label }),
    bar: make("canvas", "sw-bar", null, { "aria-hidden": "true" }),
    top: make("span", "sw-top"),
    even: make("span", "sw-even"),
    claim: make("p", "sw-claim"),
    wordName: make("strong", "sw-word-name"),
    probability: number(),
    cells: number(),
    gate: number(),
    rivals: make("ol", "sw-rivals"),
    slider: make("input", "sw-slider", null, {
      type: "range", min: 0, max: widths.length - 1, step: 1, value: widths.indexOf(view.width), "aria-label": texts.beam,
    }),
    ticks: make("div", "sw-ticks", widths.map((width) => make("span", null, String(width))), { "aria-hidden": "true" }),
    width: make("output", "sw-width"),
    alternatives: make("ol", "sw-alternatives"),
    strip: make("div", "sw-strip", null, { role: "group", "aria-label": texts.strip }),
  };
}

// The skeleton of a result, with the nodes in their places.
function layOut(nodes, view, texts, size, total) {
  const title = (text, node) => make("h3", null, [make("span", "sw-quiet", text), ...(node ? [node] : [])]);
  const help = (text) => make("p", "sw-help", text);
  const fact = (label, node, text) => make("div", "sw-fact", [make("dt", null, label), make("dd", null, [node, help(text)])]);
  const stage = make("div", "sw-stage", [nodes.photo, nodes.map]);
  stage.style.setProperty("--sw-ratio", size.width / size.height);
  const scale = make("div", "sw-scale", [
    make("span", null, texts.legend),
    make("div", "sw-scale-bar", [nodes.bar]),
    make("div", "sw-scale-ends", [make("span", null, "0 %"), nodes.even, nodes.top]),
  ]);
  const word = make("section", "sw-panel", [
    title(texts.word_title, nodes.wordName),
    make("dl", "sw-numbers", [
      fact(texts.probability, nodes.probability, texts.probability_help),
      fact(texts.cells, nodes.cells, fill(texts.cells_help, { total })),
      fact(texts.gate, nodes.gate, texts.gate_help),
    ]),
    make("h4", null, texts.rivals),
    nodes.rivals,
  ]);
  const beam = make("section", "sw-panel", [
    title(texts.beam, nodes.width), nodes.slider, nodes.ticks, help(texts.beam_help),
    make("h4", null, texts.alternatives), nodes.alternatives, help(texts.alternatives_help),
  ]);
  const every = make("section", "sw-all", [title(texts.strip), nodes.strip, help(texts.strip_help)]);
  return [
    make("header", "sw-head", [...(view.guessing ? [make("p", "sw-guessing", texts.guessing)] : []), nodes.caption, make("p", "sw-hint", [make("span", null, texts.caption_hint), nodes.facts])]),
    make("div", "sw-body", [
      make("div", "sw-look", [stage, make("div", "sw-legend", [nodes.styles, scale]), nodes.claim]),
      make("div", "sw-side", [word, beam]),
      every,
    ]),
    make("p", "sw-model", fill(texts.model, { model: view.model, trained_on: view.trained_on })),
  ];
}
