// The map of embeddings. d3 moves, zooms, brushes and finds points; here they are drawn.
import { ask, told } from "./api.js";
import { by, el, fillSelect, number } from "./dom.js";
import { openRow } from "./row.js";
import { changed, on, state } from "./state.js";

const PADDING = 0.05, MOVE = 40, ZOOM = 1.4, NEAR = 12;
let points = null, tree = null, asked = 0, transform, shown = false;
const canvas = by("map");
const size = () => [canvas.clientWidth, canvas.clientHeight];

export async function showMap() {
  by("map-part").hidden = !state.facets.vectors.length;
  if (!shown || by("map-part").hidden) return;
  const mine = ++asked;
  const query = { ...state.query, box: null };
  const found = await told(() => ask("map", { step: state.step, vector: by("map-vector").value, query, color: by("map-color").value }));
  if (!found || mine !== asked) return;
  points = found;
  tree = d3.quadtree(d3.range(found.n.length), (at) => found.x[at], (at) => found.y[at]);
  by("map-legend").replaceChildren(...found.names.map((name, at) => el("li", {}, el("span", { class: `key k${at}` }), name)));
  const part = found.n.length < found.total ? `${number(found.n.length)} of ${number(found.total)} rows, a sample` : `${number(found.total)} rows`;
  by("map-told").textContent = `${part}, on the two principal axes of ${by("map-vector").value}.`;
  canvas.setAttribute("aria-label", `Map of ${part}`);
  draw();
}

// The whole map, as far as anything is on it.
let extent = { x: [0, 1], y: [0, 1] };
function scales() {
  const [width, height] = size();
  const wide = (range) => { const by_ = (range[1] - range[0] || 1) * PADDING; return [range[0] - by_, range[1] + by_]; };
  const x = d3.scaleLinear(wide(extent.x), [0, width]), y = d3.scaleLinear(wide(extent.y), [height, 0]);
  return { x: transform.rescaleX(x), y: transform.rescaleY(y) };
}

function draw() {
  if (!points) return;
  const [width, height] = size(), ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  const { x, y } = scales();
  const dot = points.n.length > 10000 ? 1.6 : points.n.length > 1000 ? 3 : 6;
  pen.scale(ratio, ratio);
  pen.globalAlpha = points.n.length > 10000 ? 0.65 : 0.8;
  // The first colour is the most frequent: it is drawn first, so that it hides no other.
  points.names.forEach((_, color) => {
    pen.fillStyle = probe(`k${color}`);
    for (let at = 0; at < points.n.length; at += 1) {
      if (points.color[at] === color) pen.fillRect(x(points.x[at]) - dot / 2, y(points.y[at]) - dot / 2, dot, dot);
    }
  });
  pen.globalAlpha = 1;
  const open = state.open ? points.n.indexOf(state.open.n) : -1;
  if (open >= 0) ring(pen, x(points.x[open]), y(points.y[open]));
  if (state.box) {
    pen.strokeStyle = probe("k0");
    pen.strokeRect(x(state.box.x0), y(state.box.y1), x(state.box.x1) - x(state.box.x0), y(state.box.y0) - y(state.box.y1));
  }
}

function ring(pen, x, y) {
  pen.strokeStyle = getComputedStyle(document.body).color;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(x, y, 7, 0, 2 * Math.PI);
  pen.stroke();
}

// A colour of the style sheet, light or dark, as a canvas takes it.
function probe(name) {
  const one = el("span", { class: `key ${name}`, hidden: true });
  document.body.append(one);
  const color = getComputedStyle(one).backgroundColor;
  one.remove();
  return color;
}

function select(x0, x1, y0, y1) {
  state.box = { vector: by("map-vector").value, x0: Math.min(x0, x1), x1: Math.max(x0, x1), y0: Math.min(y0, y1), y1: Math.max(y0, y1) };
  changed("box");
}

function setUp() {
  transform = d3.zoomIdentity;
  const zoom = d3.zoom().scaleExtent([0.5, 200]).on("zoom", (event) => { transform = event.transform; requestAnimationFrame(draw); });
  const view = d3.select(canvas).call(zoom).on("dblclick.zoom", null);
  canvas.addEventListener("click", (event) => {
    const { x, y } = scales();
    const [at, up] = d3.pointer(event, canvas);
    const reach = Math.abs(x.invert(NEAR) - x.invert(0));
    const found = tree?.find(x.invert(at), y.invert(up), reach);
    if (found !== undefined) openRow(points.n[found]);
  });
  const keys = {
    ArrowLeft: () => zoom.translateBy(view, MOVE / transform.k, 0), ArrowRight: () => zoom.translateBy(view, -MOVE / transform.k, 0),
    ArrowUp: () => zoom.translateBy(view, 0, MOVE / transform.k), ArrowDown: () => zoom.translateBy(view, 0, -MOVE / transform.k),
    "+": () => zoom.scaleBy(view, ZOOM), "-": () => zoom.scaleBy(view, 1 / ZOOM),
  };
  canvas.addEventListener("keydown", (event) => { if (keys[event.key]) { event.preventDefault(); keys[event.key](); } });
  by("map-reset").addEventListener("click", () => zoom.transform(view, d3.zoomIdentity));
  by("map-view").addEventListener("click", () => {
    const { x, y } = scales(), [width, height] = size();
    select(x.invert(0), x.invert(width), y.invert(0), y.invert(height));
  });
  const layer = d3.select("#map-brushing");
  const brush = d3.brush().on("end", (event) => {
    if (!event.selection) return;
    const [[left, top], [right, bottom]] = event.selection, { x, y } = scales();
    layer.call(brush.move, null);
    select(x.invert(left), x.invert(right), y.invert(top), y.invert(bottom));
  });
  by("map-brush").addEventListener("click", () => {
    const isOn = by("map-brush").getAttribute("aria-pressed") !== "true";
    by("map-brush").setAttribute("aria-pressed", String(isOn));
    by("map-brushing").toggleAttribute("hidden", !isOn);
    if (isOn) layer.call(brush.extent([[0, 0], size()]));
  });
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// The map's extent is that of all rows, so that a filter moves nothing.
async function open() {
  if (!transform) setUp();
  const vector = by("map-vector").value;
  by("map-told").textContent = "Placing the rows …";
  const all = await told(() => ask("map", { step: state.step, vector, query: {}, color: "reason" }));
  if (!all) return;
  extent = { x: d3.extent(all.x), y: d3.extent(all.y) };
  await showMap();
}

by("map-open").addEventListener("click", () => {
  shown = !shown;
  by("map-open").textContent = shown ? "Hide" : "Show";
  by("map-open").setAttribute("aria-expanded", String(shown));
  by("map-body").hidden = by("map-tools").hidden = !shown;
  if (shown) open();
});
by("map-vector").addEventListener("change", open);
by("map-color").addEventListener("change", showMap);
on("open", draw);
on("step", () => {
  points = tree = null;
  fillSelect(by("map-vector"), state.facets.vectors.map((one) => [one, one]));
  for (const option of by("map-color").options) option.hidden = !state.facets[option.value].length && option.value !== "reason";
  by("map-color").value = "reason";
  if (shown && state.facets.vectors.length) open();
});
