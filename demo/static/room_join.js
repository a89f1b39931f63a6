// The field for a room's code, and what is said while there is no room.

function joinScreen({ t, line, hide, sentence }) {
  const field = make("input", "sw-room-field", null, {
    type: "text", maxlength: "12", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", "aria-label": t("room_code_label"), "aria-describedby": "sw-room-told",
  });
  const go = make("button", "sw-button sw-room-go", t("room_enter"), { type: "submit" });
  const told = make("p", "sw-room-told", "", { role: "alert", id: "sw-room-told" });
  const close = button("sw-button", t("room_back"));
  const form = make("form", "sw-room-form", [
    make("h2", "sw-room-title", t("room_join")),
    make("label", "sw-room-label", t("room_code_label"), { "aria-hidden": "true" }),
    field, go, told,
    help(t("room_join_help")),
    close,
  ]);

  async function join(code) {
    if (!code.trim()) return void field.focus();
    field.value = code;
    go.disabled = true;
    line.problem = "";
    draw();
    await line.put({ kind: "room_join", code });
    go.disabled = false;
    if (!line.room) field.select();
  }
  function draw() {
    const { problem } = line;
    told.textContent = line.lost ? t("unreachable") : problem === "room_gone" ? t("room_gone") : sentence(problem);
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    join(field.value);
  });
  close.addEventListener("click", hide);
  return { node: form, draw, join, focus: () => field.focus() };
}

// What a teacher sees until the room is there, or why it is not.
function openingScreen({ t, line, hide, sentence }) {
  const told = make("p", "sw-room-told", "", { role: "alert" });
  const close = button("sw-button", t("room_back"));
  close.addEventListener("click", hide);
  const node = make("div", "sw-room-form", [make("h2", "sw-room-title", t("room_opening")), told, close]);
  function draw() {
    told.textContent = line.lost ? t("unreachable") : sentence(line.problem);
  }
  return { node, draw, focus: () => close.focus() };
}
