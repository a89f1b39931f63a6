// Time in "Watch it learn": the slider, the player, the curve of the training loss, and every moment in words.

const CURVE = { width: 420, height: 120, left: 34, right: 8, top: 8, bottom: 20 };

function learningTime(desk, reel) {
  const last = reel.record.moments.length - 1;
  const play = button("sw-button sw-play");
  let timer = null;
  const show = () => {
    play.textContent = desk.t(timer === null ? "play" : "pause");
    play.setAttribute("aria-pressed", String(timer !== null));
  };
  const stopAt = (moment) => {
    window.clearInterval(timer);
    timer = null;
    show();
    reel.go({ moment });
  };
  const next = () => {
    const gone = !play.isConnected || play.offsetParent === null; // another panel, another photo
    if (gone || reel.moment >= last) stopAt(reel.moment);
    else reel.go({ moment: reel.moment + 1 });
  };
  play.addEventListener("click", () => {
    if (timer !== null) return stopAt(reel.moment);
    if (reel.moment >= last) reel.go({ moment: 0 });
    timer = window.setInterval(next, MOMENT_TIME);
    return show();
  });
  show();
  const range = slider(desk.t("learning_time"), { min: 0, max: last, step: 1, value: last, className: "sw-learning-range" }, stopAt);
  const [before, after] = [["‹", "learning_before", -1], ["›", "learning_after", 1]].map(([sign, key, by]) => {
    const node = button("sw-button", sign, { "aria-label": desk.t(key), title: desk.t(key) });
    node.addEventListener("click", () => stopAt(reel.moment + by));
    return node;
  });
  const status = make("p", "sw-learning-status", null, { role: "status" });
  reel.on(() => {
    const moment = reel.record.moments[reel.moment];
    range.value = String(reel.moment);
    range.setAttribute("aria-valuetext", momentName(desk, moment));
    before.disabled = reel.moment === 0;
    after.disabled = reel.moment === last;
    status.replaceChildren(make("strong", null, momentName(desk, moment)), momentFacts(desk, reel.record, moment));
  });
  reel.stopAt = stopAt;
  return [make("div", "sw-learning-controls", [play, before, range, after]), status];
}

// What a moment stands for: photos learnt from so far, and how far off the model was.
function momentFacts(desk, record, moment) {
  if (moment.model !== null) return ` ${desk.t("learning_finished_facts")}`;
  const photos = (moment.step * record.photos_per_step).toLocaleString();
  const parts = [desk.t(moment.step ? "learning_photos_seen" : "learning_nothing_seen", { photos })];
  if (moment.nats !== null) parts.push(desk.t("learning_nats", { nats: moment.nats.toFixed(2) }));
  return ` ${parts.join(" · ")}`;
}

// The training loss against the steps, on a logarithmic scale: most happens early.
function learningCurve(desk, reel) {
  const { width, height, left, right, top, bottom } = CURVE;
  const points = reel.record.moments.map((moment, place) => ({ ...moment, place })).filter((moment) => moment.nats !== null);
  if (points.length < 2) return make("span");
  const [low, high] = [Math.min(...points.map((point) => point.nats)), Math.max(...points.map((point) => point.nats))];
  const most = Math.log(points.at(-1).step);
  const x = (step) => left + (Math.log(Math.max(1, step)) / most) * (width - left - right);
  const y = (nats) => top + ((high - nats) / (high - low || 1)) * (height - top - bottom);
  const chart = makeSvg("svg", "sw-chart sw-learning-curve", null, { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": desk.t("learning_curve") });
  for (const nats of [high, low]) chart.append(makeSvg("text", "sw-chart-text sw-chart-end", nats.toFixed(1), { x: left - 5, y: y(nats) + 4 }));
  for (let step = 1; step <= points.at(-1).step; step *= 10) {
    chart.append(makeSvg("text", "sw-chart-text sw-chart-middle", step.toLocaleString(), { x: x(step), y: height - 5 }));
  }
  chart.append(makeSvg("polyline", "sw-curve sw-curve-by_attention", null, { points: points.map((point) => `${x(point.step)},${y(point.nats)}`).join(" ") }));
  const here = makeSvg("circle", "sw-learning-here", null, { r: 5 });
  chart.append(here);
  reel.on(() => {
    const { step, nats } = reel.record.moments[reel.moment];
    here.setAttribute("visibility", nats === null ? "hidden" : "visible");
    if (nats === null) return;
    here.setAttribute("cx", x(step));
    here.setAttribute("cy", y(nats));
  });
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * width;
    const nearest = points.reduce((best, point) => (Math.abs(x(point.step) - across) < Math.abs(x(best.step) - across) ? point : best));
    reel.stopAt(nearest.place);
  });
  return make("div", "sw-chart-holder", [chart, help(desk.t("learning_curve_help"))]);
}

// Every moment of the photo on show, in words.
function learningTable(desk, reel) {
  const body = make("tbody");
  const head = make("tr", null, ["learning_when", "caption_label"].map((key) => make("th", null, desk.t(key), { scope: "col" })));
  let photo = null;
  reel.on(() => {
    if (photo !== reel.photo) {
      photo = reel.photo;
      body.replaceChildren(...reel.record.moments.map((moment, place) => {
        const go = button("sw-learning-go", momentName(desk, moment));
        go.addEventListener("click", () => reel.stopAt(place));
        return make("tr", null, [make("th", null, [go], { scope: "row" }), spoken(sayTelling(moment.tellings[photo]), null, "td")]);
      }));
    }
    [...body.children].forEach((row, place) => row.classList.toggle("sw-on", place === reel.moment));
  });
  const table = make("table", "sw-probe-table", [make("thead", null, [head]), body]);
  return make("details", "sw-learning-all", [make("summary", null, desk.t("learning_all")), table]);
}
