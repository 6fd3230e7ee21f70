// One row with all that there is to know of it.
import { ask, told } from "./api.js";
import { by, el, fillSelect, score } from "./dom.js";
import { changed, flagOf, on, setFlag, state } from "./state.js";

const LISTS = [["positives", "Positives"], ["negatives", "Negatives"], ["rejected_negatives", "Rejected negatives"]];
const MAIN = ["query", "text"];

export async function openRow(n) {
  const { step } = state;
  const row = await told(() => ask("row", { step, n }));
  if (!row) return;
  state.open = { n, row };
  show();
  changed("open");
  by("row").scrollTop = 0;
  by("row").focus({ preventScroll: !narrow() });
  if (narrow()) by("row").scrollIntoView();
}

const narrow = () => matchMedia("(max-width: 1100px)").matches;

function show() {
  const { row } = state.open;
  const lists = LISTS.filter(([name]) => row[name]?.length);
  const rest = Object.entries(row).filter(([name, value]) => value !== null && value !== ""
    && !["id", "drop_reason", ...MAIN, ...LISTS.map(([list]) => list)].includes(name));
  by("row").replaceChildren(
    el("a", { class: "back", href: "#rows" }, "Back to the rows"),
    el("div", { class: "bar" },
      el("h2", { class: "text" }, row.id),
      row.drop_reason ? el("span", { class: "badge dropped" }, row.drop_reason) : el("span", { class: "badge kept" }, "kept")),
    flagForm(row),
    ...MAIN.filter((name) => row[name]).flatMap((name) => [el("h3", {}, name), el("p", { class: "text long", tabindex: 0, role: "group", "aria-label": name }, row[name])]),
    ...lists.flatMap(([name, title]) => [
      el("h3", {}, `${title} (${row[name].length})`),
      el("ol", {}, row[name].map((entry) => entryOf(row, name, entry)))]),
    ...nearPart(row),
    ...whyPart(row),
    el("h3", {}, "Other columns"),
    facts(rest));
}

function flagForm(row) {
  const flag = flagOf(row.id, undefined);
  const note = el("input", { id: "note", maxlength: 1000, placeholder: "what is wrong with it?" });
  note.value = flag?.note ?? "";
  const set = (isOn) => told(() => setFlag({ id: row.id, step: state.step, note: note.value }, isOn));
  note.addEventListener("change", () => flagOf(row.id, undefined) && set(true));
  return el("form", { class: "note", onsubmit: (event) => { event.preventDefault(); set(true); } },
    el("label", {}, "Note", note),
    el("button", { type: "button", "data-flag": "", "aria-pressed": String(Boolean(flag)), onclick: () => set(!flagOf(row.id, undefined)) }, "⚑ Flag row"));
}

function entryOf(row, list, entry) {
  const flagged = Boolean(flagOf(row.id, entry.id));
  const told_ = [
    entry.score === null || entry.score === undefined ? "no score" : `score ${score(entry.score)}`,
    entry.origin, entry.reason && `rejected: ${entry.reason}`,
    entry.ceiling === null || entry.ceiling === undefined ? null : `ceiling ${score(entry.ceiling)}`,
  ].filter(Boolean).join(" · ");
  const flag = list === "rejected_negatives" || !entry.id ? null : el("button", {
    type: "button", "data-flag": entry.id, "aria-pressed": String(flagged), "aria-label": `Flag ${entry.id} in this row`,
    title: "Flag this text in this row alone",
    onclick: () => told(() => setFlag({ id: row.id, entry: entry.id, step: state.step, note: by("note").value }, !flagOf(row.id, entry.id))),
  }, "⚑");
  return el("li", { class: `entry ${list}` },
    el("div", { class: "bar" }, el("span", {}, told_),
      entry.id ? el("button", { type: "button", class: "link", title: "Where is it from?", onclick: () => showWhy(entry.id) }, entry.id) : null, flag),
    el("p", { class: "text", tabindex: 0, role: "group", "aria-label": `text of ${entry.id}` }, entry.text ?? ""));
}

function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.flatMap(([name, value]) => [
    el("dt", {}, name), el("dd", { class: "text" }, typeof value === "object" ? JSON.stringify(value) : value)]));
}

function nearPart(row) {
  if (!state.facets.near.length) return [];
  const choice = el("select", { id: "near-by", "aria-label": "Compare by" });
  fillSelect(choice, state.facets.near.map((one) => [one, one]));
  const list = el("ol", { class: "near", "aria-live": "polite" });
  let asked = 0;
  const find = async () => {
    const mine = ++asked;
    list.replaceChildren(el("li", {}, el("span"), "Looking …"));
    const found = await told(() => ask("near", { step: state.step, n: state.open.n, by: choice.value }));
    // A slower answer to an older question is of no use.
    if (!found || mine !== asked) return;
    list.replaceChildren(...found.map((one) => el("li", {},
      el("span", {}, score(one.score)),
      el("span", {},
        el("button", { type: "button", class: "link", onclick: () => openRow(one.n) }, el("span", { class: "clip text" }, one.title || one.id)),
        one.reason ? el("span", { class: "badge dropped" }, one.reason) : null))));
    if (!found.length) list.append(el("li", {}, el("span"), "Nothing is near to it."));
  };
  return [
    el("h3", {}, "Nearest rows"),
    el("div", { class: "bar" }, el("button", { type: "button", id: "near", onclick: find }, "Find"), el("span", {}, "by"), choice),
    list];
}

function whyPart(row) {
  return [
    el("h3", {}, "Lineage"),
    el("div", { class: "bar" }, el("button", { type: "button", id: "why", onclick: () => showWhy(row.id) }, "Where is it from?")),
    el("div", { id: "lineage", "aria-live": "polite" })];
}

async function showWhy(id) {
  const found = await told(() => ask("why", { id }));
  if (!found) return;
  const plain = (values) => Object.entries(values).filter(([, value]) => value !== null && !(Array.isArray(value) && !value.length));
  const event = (one) => el("li", {}, el("strong", {}, one.step), ` ${one.what} `, idButton(one.id, one.step), facts(plain(one.facts)));
  by("lineage").replaceChildren(
    el("p", {}, `of ${id}`),
    el("ol", { class: "tree" }, found.events.map(event)),
    ...(found.uses.length ? [el("h4", {}, "Used as"), el("ol", { class: "tree" }, found.uses.map((use) =>
      el("li", {}, el("strong", {}, use.role), " of ", idButton(use.row_id, use.step),
        facts(plain({ step: use.step, origin: use.origin, score: use.score, rejected_by: use.rejected_by, reason: use.reason, ceiling: use.ceiling }))))) ] : []),
    ...(found.children.length ? [el("h4", {}, "Made from it"), el("ol", { class: "tree" }, found.children.map((child) =>
      el("li", {}, el("strong", {}, child.step), " ", idButton(child.id, child.step))))] : []));
  by("lineage").scrollIntoView({ block: "nearest" });
}

// Opens a row in the step at hand; one that is not in it, or a text, shows its lineage.
function idButton(id) {
  return el("button", {
    type: "button", class: "link", onclick: async () => {
      const found = await told(() => ask("find", { step: state.step, id }));
      if (!found) return;
      if (found.n === null) showWhy(id); else openRow(found.n);
    },
  }, id);
}

on("flags", () => by("row").querySelectorAll("[data-flag]").forEach((button) =>
  button.setAttribute("aria-pressed", String(Boolean(flagOf(state.open.row.id, button.dataset.flag || undefined))))));
on("step", () => by("row").replaceChildren(el("p", { class: "hint" }, "Choose a row to see all of it.")));
