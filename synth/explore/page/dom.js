// Elements and texts. A text of a row only ever becomes a text node: nothing in it is markup.

// Characters that show nothing, or that change how others are shown, as their code.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
export const seen = (text) => String(text).replace(UNSEEN, (one) =>
  `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

// An element; a property that starts with "on" is a listener, others are attributes.
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((one) => one !== null && one !== undefined).map(
    (one) => (one instanceof Node ? one : document.createTextNode(seen(one)))));
  return made;
}

export const by = (id) => document.getElementById(id);
// A score, with as many digits as all others.
export const score = (value) => value === null || value === undefined ? "" : Number(value).toFixed(3);
export const number = (value, digits = 3) => value === null || value === undefined ? "" :
  Number(value).toLocaleString("en", { maximumFractionDigits: digits });

export function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, told]) => el("option", { value }, told)));
}
