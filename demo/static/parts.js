// Small makers of nodes and numbers. Text only ever enters through textContent or setAttribute, so nothing a model or a
// file says can become markup.

function make(tag, className, content, attributes) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (typeof content === "string") node.textContent = content;
  else if (content) node.append(...content);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  return node;
}

function button(className, content, attributes) {
  return make("button", className, content, { type: "button", ...attributes });
}

const CAPTION_LANGUAGE = "en"; // of every caption, whatever the page's

// Words of a caption, for a screen reader to say in their own language.
function spoken(text, className, tag = "span") {
  return make(tag, className, text, { lang: CAPTION_LANGUAGE });
}

// A text with nodes, or lists of nodes, in the places of its values.
function filledWith(template, values) {
  return template.split(/(\{\w+\})/).filter(Boolean).flatMap((part) => {
    const name = part.slice(1, -1);
    return part.startsWith("{") && name in values ? values[name] : part;
  });
}

// The same, of which only the values are seen and all is said.
function namedBy(template, values) {
  return filledWith(template, values).map((part) => (typeof part === "string" ? make("span", "sw-said", part) : part));
}

function help(text) {
  return make("p", "sw-help", text);
}

// A heading of a panel, with a node at its right.
function heading(text, node) {
  return make("h3", null, [make("span", "sw-quiet", text), ...(node ? [node] : [])]);
}

// A range input with its label, its value in words, and what to do when it moves.
function slider(label, { min, max, step, value, className = "" }, onInput) {
  const input = make("input", `sw-slider ${className}`.trim(), null, { type: "range", min, max, step, value, "aria-label": label });
  input.addEventListener("input", () => onInput(Number(input.value)));
  return input;
}

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (whole, name) => (values && name in values ? String(values[name]) : whole));
}

function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

// Scores and other negative numbers, with a real minus sign.
function signed(value) {
  return value.toFixed(2).replace("-", "−");
}

// Effective cells, exact where they are few.
function cellCount(cells) {
  return cells < 10 ? cells.toFixed(1) : String(Math.round(cells));
}

function calm() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
