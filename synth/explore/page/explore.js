// The page: its steps, filters and the table of rows.
import { ask, told } from "./api.js";
import { by, el, fillSelect, number, score } from "./dom.js";
import { showMap } from "./map.js";
import { openRow } from "./row.js";
import "./save.js";
import { changed, flagOf, on, setFlag, state } from "./state.js";

const RANGES = ["positive", "negative", "length"];
const CHOICES = ["reason", "origin", "model", "prompt"];
const NUMBERS = ["positive", "negative", "margin", "length"];

function query() {
  const found = { text: by("text").value, rows: document.querySelector("[name=rows]:checked").value };
  for (const name of CHOICES) if (by(name).value) found[name] = by(name).value;
  for (const name of RANGES) {
    const [least, most] = ["least", "most"].map((side) => by(`${name}-${side}`).value);
    found[name] = { least: least === "" ? null : Number(least), most: most === "" ? null : Number(most) };
  }
  if (by("flagged").checked) found.flagged = true;
  if (state.box) found.box = state.box;
  return found;
}

let asked = 0;
async function showRows() {
  const mine = ++asked;
  const started = performance.now();
  const { step, sort, falls, page } = state;
  const found = await told(() => ask("rows", { step, query: state.query, sort, falls, page }));
  // A slower answer to an older question is of no use.
  if (!found || mine !== asked) return;
  state.total = found.total;
  const pages = Math.max(1, Math.ceil(found.total / found.page_rows));
  by("told").textContent = `${number(found.total)} of ${number(state.rows)}`;
  by("page-told").textContent = `${number(page + 1)} of ${number(pages)}`;
  by("page-before").disabled = page === 0;
  by("page-after").disabled = page + 1 >= pages;
  // Columns without a number in any row are not shown.
  const shown = NUMBERS.filter((name) => found.rows.some((row) => row[name] !== null));
  heads(shown);
  by("body").replaceChildren(...found.rows.map((row) => line(row, shown)));
  if (!found.rows.length) by("body").append(el("tr", {}, el("td", { colspan: 2 }, "No row is like that.")));
  performance.measure("rows", { start: started });
  changed("total");
}

function heads(shown) {
  const sorter = (title, name) => {
    const sorted = state.sort === name ? (state.falls ? "descending" : "ascending") : null;
    const sign = sorted ? (state.falls ? " ▾" : " ▴") : "";
    return el("th", { scope: "col", class: name === "id" ? null : "num", "aria-sort": sorted },
      el("button", { type: "button", onclick: () => sortBy(name) }, `${title}${sign}`));
  };
  by("heads").replaceChildren(
    el("th", { scope: "col" }, el("span", { class: "unseen" }, "flag")), sorter("row", "id"),
    ...shown.map((name) => sorter(name, name)));
}

// Once up, once down, and then as the step has them.
function sortBy(name) {
  const again = state.sort === name;
  const first = name !== "id";
  state.sort = again && state.falls !== first ? "n" : name;
  state.falls = again ? !state.falls : first;
  if (state.sort === "n") state.falls = false;
  state.page = 0;
  showRows();
}

function flagButton(row) {
  const flagged = Boolean(flagOf(row.id, undefined));
  return el("button", {
    type: "button", "aria-pressed": String(flagged), "aria-label": `Flag ${row.id}`, title: "Flag this row",
    onclick: () => told(() => setFlag({ id: row.id, step: state.step }, !flagOf(row.id, undefined))),
  }, "⚑");
}

function line(row, shown) {
  const told_ = (name) => (name === "length" ? number(row[name]) : score(row[name]));
  return el("tr", { "data-n": row.n, "data-id": row.id, class: row.n === state.open?.n ? "open" : null },
    el("td", { class: "flag" }, flagButton(row)),
    el("td", { class: "what" },
      el("button", { type: "button", onclick: () => openRow(row.n) }, el("span", { class: "clip text" }, row.title || row.id)),
      row.passage ? el("p", { class: "clip text" }, row.passage) : null,
      el("p", { class: "id text" }, row.reason ? el("span", { class: "badge dropped" }, row.reason) : el("span", { class: "badge kept" }, "kept"), ` ${row.id}`)),
    ...shown.map((name) => el("td", { class: "num", "data-name": row[name] === null ? null : name }, told_(name))));
}

function filtered() {
  state.query = query();
  state.page = 0;
  by("box-told").hidden = !state.box;
  showRows();
  showMap();
}

async function showStep(name) {
  const facets = await told(() => ask("step", { step: name }));
  if (!facets) return;
  Object.assign(state, { step: name, facets, box: null, page: 0, sort: "n", falls: false, open: null });
  const one = state.steps.find((step) => step.name === name);
  state.rows = one.rows + one.dropped;
  for (const choice of CHOICES) {
    const values = facets[choice].map(({ value, rows }) => [value, `${value} (${number(rows)})`]);
    fillSelect(by(choice), [["", "any"], ...values]);
    by(choice).closest("label").hidden = !values.length;
  }
  for (const range of RANGES) {
    const { least, most } = facets.ranges[range];
    document.querySelector(`[data-range=${range}]`).hidden = least === null;
    by(`${range}-least`).placeholder = number(least, 2);
    by(`${range}-most`).placeholder = number(most, 2);
  }
  changed("step");
  filtered();
}

function ready() {
  for (const range of RANGES) {
    const part = document.querySelector(`[data-range=${range}]`);
    const field = (side) => el("input", { type: "number", step: "any", id: `${range}-${side}`, "aria-label": `${part.textContent.trim()}, ${side === "least" ? "at least" : "at most"}` });
    part.append(el("div", {}, field("least"), "to", field("most")));
  }
  let waiting;
  by("filters").addEventListener("input", (event) => {
    clearTimeout(waiting);
    // Not for each letter that is typed.
    waiting = setTimeout(filtered, event.target.matches("[type=search], [type=number]") ? 150 : 0);
  });
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  by("filters").addEventListener("reset", () => { state.box = null; setTimeout(filtered); });
  by("box-clear").addEventListener("click", () => { state.box = null; filtered(); });
  by("step").addEventListener("change", (event) => { by("filters").reset(); showStep(event.target.value); });
  by("page-before").addEventListener("click", () => { state.page -= 1; showRows(); });
  by("page-after").addEventListener("click", () => { state.page += 1; showRows(); });
  if (matchMedia("(max-width: 720px)").matches) by("more-filters").open = false;
}

on("box", filtered);
on("open", () => document.querySelectorAll("#body tr").forEach((tr) => tr.classList.toggle("open", Number(tr.dataset.n) === state.open?.n)));
on("flags", () => {
  document.querySelectorAll("#body tr[data-id]").forEach((tr) => tr.querySelector(".flag button").setAttribute("aria-pressed", String(Boolean(flagOf(tr.dataset.id, undefined)))));
  if (state.query.flagged) showRows();
});

async function start() {
  ready();
  const [run, kept] = await Promise.all([ask("run"), ask("flags")]);
  Object.assign(state, { steps: run.steps, flags: kept.flags });
  document.title = `${run.name} ${run.version} · synth explore`;
  by("run").replaceChildren(`${run.name} `, el("span", {}, `version ${run.version}`));
  fillSelect(by("step"), run.steps.map((step) => [step.name, `${step.name} (${number(step.rows)} kept, ${number(step.dropped)} dropped)`]));
  by("step").value = run.steps.at(-1).name;
  await showStep(by("step").value);
}
told(start);
