// What lies below the photo, one panel open at a time. A panel is made when it is first opened.

const PANELS = {
  words: mountFilmstrip,
  box: mountCards,
  tree: mountTree,
  relief: mountRelief,
  probe: mountProbe,
  learning: mountLearning,
  compare: mountCompare,
  takeaway: mountTakeaway,
};

const ASKING = ["probe", "learning", "compare"]; // empty without a server to ask

function mountPanels(desk) {
  const names = Object.keys(PANELS).filter((name) => desk.ask || !ASKING.includes(name));
  const tabs = names.map((name) => button("sw-tab", desk.t(`panel_${name}`), {
    role: "tab", id: `sw-tab-${name}`, "aria-controls": `sw-panel-${name}`, "data-panel": name,
  }));
  const bodies = Object.fromEntries(names.map((name) => [name, make("div", "sw-panel-body", null, {
    role: "tabpanel", id: `sw-panel-${name}`, "aria-labelledby": `sw-tab-${name}`, "data-panel": name,
  })]));
  const list = make("div", "sw-tabs", tabs, { role: "tablist", "aria-label": desk.t("panels_label") });
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-panel]");
    if (tab) desk.change({ panel: tab.dataset.panel });
  });
  list.addEventListener("keydown", (event) => {
    const now = names.indexOf(desk.state.panel);
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: names.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    desk.change({ panel: names[(next + names.length) % names.length] });
    tabs[names.indexOf(desk.state.panel)].focus();
  });
  const lay = (name) => bodies[name].childElementCount || bodies[name].append(PANELS[name](desk));
  lay("words"); // printed in any case
  desk.on(["panel"], (state) => {
    for (const tab of tabs) {
      const open = tab.dataset.panel === state.panel;
      tab.setAttribute("aria-selected", String(open));
      tab.tabIndex = open ? 0 : -1;
      bodies[tab.dataset.panel].hidden = !open;
    }
    lay(state.panel);
  });
  return make("section", "sw-panels", [list, ...Object.values(bodies)]);
}
