// One sentence over the page, which takes nothing of it away: it stays until it is closed or there is a new photo.

// t: what the texts say. Gives the node, and what says a sentence by its key.
function makeNotice(t) {
  const said = make("p", null, "", { role: "alert" });
  const close = button("sw-errand-close", "×");
  const node = make("div", "sw-notice", [said, close]);
  let shown = null; // {key, values}
  let home = null;

  function draw() {
    node.hidden = !shown;
    close.ariaLabel = t("errand_close");
    said.textContent = shown ? t(shown.key, shown.values) : "";
  }
  close.addEventListener("click", () => notice.hide());
  const notice = {
    node,
    draw,
    say(key, values) {
      home = home || node.parentNode;
      (document.querySelector("dialog[open]") || home).append(node); // what lies outside an open dialog is out of reach
      shown = { key, values };
      draw();
    },
    hide() {
      shown = null;
      draw();
    },
  };
  draw();
  return notice;
}
