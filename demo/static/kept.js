// The result on show, kept in this tab of the browser alone: a reload, the way back and a new start of the server leave it
// as it was. It is gone with the tab.

const RESULT_KEY = "saywhere-result";
const KEPT_STATE = ["width", "power", "caption", "word", "blend", "plain", "panel"]; // of what is on show; see desk.js

// Views written by one version of this script are only read by the same.
function versionOf(script) {
  let hash = 0;
  for (let i = 0; i < script.length; i += 1) hash = (Math.imul(hash, 31) + script.charCodeAt(i)) | 0;
  return String(hash);
}

function keptState(state) {
  return Object.fromEntries(KEPT_STATE.map((name) => [name, state[name]]));
}

// past: [{view, state, scroll}], the views that led to this one; left out where there is no room for them.
function keepResult(version, view, state, past) {
  const rows = past.map((row) => ({ ...row, state: keptState(row.state) }));
  for (const before of rows.length ? [rows, []] : [[]]) {
    try {
      window.sessionStorage.setItem(RESULT_KEY, JSON.stringify({ version, view, state: keptState(state), past: before }));
      return;
    } catch (problem) {
      forgetResult(); // no room, or a browser that keeps nothing
    }
  }
}

function forgetResult() {
  try {
    window.sessionStorage.removeItem(RESULT_KEY);
  } catch (problem) {
    // a browser that keeps nothing
  }
}

// {view, state, past}, or null. A result of another version of the page is captioned anew: {photo}, its address.
function keptResult(version) {
  try {
    const kept = JSON.parse(window.sessionStorage.getItem(RESULT_KEY));
    if (!kept || !kept.view.photo.address) return null;
    return kept.version === version ? kept : { photo: kept.view.photo.address };
  } catch (problem) {
    return null;
  }
}
