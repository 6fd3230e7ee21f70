// What the page shows: which step, which rows, which flags. Parts that show it listen for changes.
import { ask } from "./api.js";

export const state = { step: "", facets: null, query: {}, sort: "n", falls: false, page: 0, total: 0, flags: [], open: null };

const listeners = {};
export const on = (what, listener) => (listeners[what] ??= []).push(listener);
export const changed = (what) => (listeners[what] ?? []).forEach((listener) => listener());

export const flagOf = (id, entry) => state.flags.find((one) => one.id === id && one.entry === entry);

export async function setFlag(flag, isOn) {
  state.flags = (await ask("flag", { flag, on: isOn })).flags;
  changed("flags");
}
