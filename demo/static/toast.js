// What Gradio's photo box has to complain of, in the visitor's language and in plain words; Gradio's own are English, and
// may hold whatever a server or a browser said.

const COMPLAINTS = [
  [/429|Too many requests/i, "toast_often"],
  [/Connection errored|Failed to fetch|NetworkError|Load failed/i, "toast_lost"],
  [/Invalid file type/i, "toast_kind"],
  [/exceed|too large|413/i, "toast_large"],
  [/no room|507/i, "toast_full"],
  [/webcam|camera|permission/i, "toast_camera"],
  [/[\s\S]/, "toast_other"],
];

// Each complaint is remembered by its text's key, since its English is gone once it is translated.
function translateToasts(texts) {
  for (const node of document.querySelectorAll('[data-testid="toast-text"].error')) {
    const key = node.dataset.swComplaint || COMPLAINTS.find(([pattern]) => pattern.test(node.textContent))[1];
    node.dataset.swComplaint = key;
    sayInstead(node, texts[key]);
  }
  for (const node of document.querySelectorAll(".toast-title.error")) sayInstead(node, texts.problem_title);
}
