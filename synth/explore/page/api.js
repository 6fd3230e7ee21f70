// Questions to the server. The token is in the address after the #, which browsers send to nobody;
// it is kept for this tab alone, so that a reload still has it.
import { by } from "./dom.js";

const KEY = "synth-explore-token";
if (location.hash.length > 1) {
  sessionStorage.setItem(KEY, location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}

export async function ask(what, question = {}) {
  const reply = await fetch(`api/${what}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` },
    body: JSON.stringify(question),
  }).catch(() => { throw new Error("the server is gone; start `synth explore` again"); });
  const found = await reply.json();
  if (!reply.ok) throw new Error(found.error);
  return found;
}

// Runs what may fail, and says so at the top of the page.
export async function told(work) {
  try {
    const found = await work();
    by("problem").hidden = true;
    return found;
  } catch (error) {
    by("problem").textContent = error.message;
    by("problem").hidden = false;
    return undefined;
  }
}
