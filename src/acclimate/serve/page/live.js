// A training as it goes: loss, dev, gradient norm and learning rate, and how long it will take.

import { ask, drawn, element, find, table } from "./dom.js";
import { count, duration, word } from "./words.js";

const EVERY = 1500; // milliseconds between two looks at a training
const WIDTH = 420, HEIGHT = 190, LEFT = 66, RIGHT = 10, TOP = 10, BOTTOM = 26;
const MOST = 400; // points of a line

let records = [];
let next = 0;
let fresh = performance.now();
let skipped = 0;

// Follows the file until the run is finished; `training` says whether it still is.
export async function follow(training) {
  for (;;) {
    const found = await ask("metrics", { after: next }).catch(() => null);
    if (found !== null) {
      if (found.again) [records, skipped] = [[], 0];
      records.push(...found.records);
      skipped += found.records.filter((record) => record.skipped).length;
      next = found.next;
      if (found.records.length) fresh = performance.now();
      if (found.records.length || found.again) redraw(training());
      else if (training() && records.length) find("training-said").textContent = said(true);
    }
    if (found !== null && found.next >= found.size && !training()) return;
    await new Promise((resolve) => setTimeout(resolve, found !== null && found.next < found.size ? 0 : EVERY));
  }
}

export function redraw(training) {
  const part = find("training-part");
  part.hidden = records.length === 0;
  if (part.hidden) return;
  find("training-said").textContent = said(training);
  const steps = records.filter((record) => "loss" in record);
  const evaluations = records.filter((record) => record.dev);
  const names = evaluations.length ? Object.keys(evaluations[0].dev) : [];
  const main = ["mean", "ndcg@10", "spearman", "macro_f1"].find((name) => names.includes(name)) ?? names[0];
  const seen = remembered();
  const charts = [
    chart("lossChart", word("lossChart"), steps.map((record) => [record.step, record.loss])),
    main && chart("devChart", word("devChart", main), evaluations.map((record) => [record.step, record.dev[main]]), true),
    chart("gradChart", word("gradChart"), steps.map((record) => [record.step, record.grad_norm])),
    chart("rateChart", word("rateChart"), steps.map((record) => [record.step, record.lr])),
  ].filter(Boolean);
  find("charts").replaceChildren(...charts);
  for (const details of document.querySelectorAll("#charts details")) restore(details, seen);
}

// Charts are drawn anew with each step; what was open, read and focused in them stays so.
function remembered() {
  const open = [...document.querySelectorAll("#charts details[open]")];
  const focused = document.activeElement.closest("#charts details");
  return {
    scrolled: new Map(open.map((details) => [details.dataset.name, details.querySelector(".scroll").scrollTop])),
    focused: focused?.dataset.name,
    within: document.activeElement.className === "scroll" ? ".scroll" : "summary",
  };
}

function restore(details, seen) {
  const name = details.dataset.name;
  details.open = seen.scrolled.has(name);
  if (details.open) details.querySelector(".scroll").scrollTop = seen.scrolled.get(name);
  if (name === seen.focused) details.querySelector(seen.within).focus({ preventScroll: true });
}

function said(training) {
  const last = records.at(-1);
  const parts = [word("trainingSaid", count(last.step), Math.round(100 * (last.progress ?? 0)), duration(last.seconds ?? 0))];
  if (training && last.progress > 0) parts.push(word("left", duration((last.seconds / last.progress) * (1 - last.progress))));
  if (skipped) parts.push(word("skipped", count(skipped)));
  const idle = (performance.now() - fresh) / 1000;
  if (training && idle > 30) parts.push(word("still", duration(idle)));
  return parts.join(" · ");
}

// Numbers with as many digits as one can use.
function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size < 0.001 || size >= 1e5 ? value.toExponential(1) : value.toPrecision(3);
}

function chart(name, heading, all, dots = false) {
  const points = thinned(all.filter(([, value]) => Number.isFinite(value)));
  if (points.length === 0) return null;
  const [last] = points.slice(-1);
  const values = points.map(([, value]) => value);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const [first, end] = [points[0][0], Math.max(points[0][0] + 1, last[0])];
  const x = (step) => LEFT + ((step - first) / (end - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const told = `${heading}: ${word("atStep", short(last[1]), count(last[0]))}`;
  const drawing = drawn("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told },
    ...[low, (low + high) / 2, high].flatMap((value) => [
      drawn("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      drawn("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value))]),
    drawn("text", { x: LEFT, y: HEIGHT - 6 }, count(first)),
    drawn("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, `${word("step")} ${count(last[0])}`),
    drawn("polyline", { class: "line s0", points: points.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
    ...(dots ? points.map(([step, value]) => drawn("circle", { class: "dot s0", cx: x(step), cy: y(value), r: 3.5 })) : []));
  return element("figure", {},
    element("h3", {}, heading), drawing,
    element("figcaption", {}, word("atStep", short(last[1]), count(last[0]))),
    element("details", { class: "numbers", "data-name": name }, element("summary", {}, word("numbers")),
      table(heading, [word("step"), heading], points.slice(-50).map(([step, value]) => [count(step), short(value)]), "numeric")));
}

// At most so many points: the mean of neighbors.
function thinned(points) {
  const size = Math.ceil(points.length / MOST);
  if (size <= 1) return points;
  const found = [];
  for (let start = 0; start < points.length; start += size) {
    const some = points.slice(start, start + size);
    found.push([some.at(-1)[0], some.reduce((sum, [, value]) => sum + value, 0) / some.length]);
  }
  return found;
}
