// A selection becomes a dataset or a drop list.
import { ask } from "./api.js";
import { by, el, number } from "./dom.js";
import { on, state } from "./state.js";

const chosen = (name) => document.querySelector(`#save [name=${name}]:checked`).value;

function counts() {
  const texts = state.flags.filter((one) => one.entry).length;
  const rows = new Set(state.flags.map((one) => one.id)).size;
  const lines = `${number(state.flags.length - texts)} rows and ${number(texts)} texts in rows, of all steps`;
  by("save-flagged").textContent = chosen("what") === "dataset"
    ? `flagged: at most ${number(rows)} rows, as far as they are in ${state.step}` : `flagged: ${lines}`;
  by("save-query").textContent = `as filtered: ${number(state.total)} rows of ${state.step}`;
  by("save-open").textContent = `Save a selection (${number(state.flags.length)} flagged)`;
  by("save-note-label").hidden = chosen("which") === "flagged" || chosen("what") === "dataset";
}

async function save(event) {
  event.preventDefault();
  const [which, what, name] = [chosen("which"), chosen("what"), by("save-name").value];
  const query = which === "flagged" ? { flagged: true } : state.query;
  by("save-told").textContent = "Saving …";
  try {
    const found = await ask("write", { step: state.step, what, query, name, note: by("save-note").value, flags: which === "flagged" });
    const how = what === "dataset"
      ? `load_dataset("${found.path}")`
      : `- {kind: drop_listed, path: ${found.path}}`;
    by("save-told").replaceChildren(`Saved ${number(found.rows)} ${what === "dataset" ? "rows" : "lines"}. Use it with\n`, el("code", {}, how));
  } catch (error) {
    by("save-told").textContent = error.message;
  }
}

by("save-open").addEventListener("click", () => { by("save-told").replaceChildren(); counts(); by("save").showModal(); });
by("save-close").addEventListener("click", () => by("save").close());
by("save-form").addEventListener("submit", save);
by("save-form").addEventListener("change", counts);
on("flags", counts);
on("total", counts);
