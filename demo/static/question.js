// Questions to the server by Gradio's own address for them; Gradio's own way gives no answer where one is refused.

const PROXY_LIMIT = 413; // a body that is too large: by the server's own limit, whose sentence it sends, or by a proxy's
const FOREIGN = 403; // taken for another site's, as behind a proxy that changes the host: then nothing works here

// name: of a function of the server. texts: language -> key -> sentence. Promises its answer: a problem with a sentence
// where the question is refused, nothing where there is no server.
function askServer(name, texts) {
  const { components = [] } = window.gradio_config || {};
  const block = components.find(({ props }) => ((props && props.server_fns) || []).includes(name));
  return async (data) => {
    const body = { data, component_id: block.id, fn_name: name, session_hash: VISITOR };
    const response = await postJson("component_server/", body).catch(() => null);
    if (!response) return undefined;
    const answer = await response.json().catch(() => ({})); // a proxy answers with a page
    if (response.ok) return answer;
    if (response.status === FOREIGN) sayForeign(texts);
    const message = answer.detail || (response.status === PROXY_LIMIT && texts[FIRST_LANGUAGE].proxy_limit);
    return message ? { kind: "problem", message } : undefined;
  };
}

// Above everything, once: the light of the model is asked for as soon as the page is open, so nobody tries in vain.
function sayForeign(texts) {
  if (document.querySelector(".sw-foreign")) return;
  document.querySelector(".sw-masthead").after(make("p", "sw-foreign", texts[FIRST_LANGUAGE].foreign, { role: "alert", "data-sw-text": "foreign" }));
}
