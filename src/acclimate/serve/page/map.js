// All documents as points, before and after in one plane. The table of documents says the same in words.

import { ask, drawn, element, find, still } from "./dom.js";
import { count, word } from "./words.js";

const SIDE = 10000; // the server's coordinates
const MARGIN = 14;
const NEAR = 14; // pixels, within which a click means a point
const SLIDE = 700; // milliseconds

const canvas = find("map");
const sides = { before: null, after: null };
const texts = new Map();
let place = new Map(); // row -> its number among the points
let shown = "after";
let mixed = 1; // how far the points are from before (0) to after (1)
let marks = { kept: [], new: [], lost: [], right: [], query: {} };
let cursor = null; // number of the point that the keys have reached
let frame = 0;
let open = () => {};
let share = 1;

export async function showMap(state, onOpen) {
  open = onOpen;
  find("map-part").hidden = !state.map;
  if (!state.map) return;
  sides.before = await ask("map", { share: 0 });
  sides.after = await ask("map", { share });
  place = new Map(sides.before.rows.map((row, number) => [row, number]));
  legend(state);
  draw();
}

export async function showShare(wanted) {
  if (wanted === share) return;
  share = wanted;
  if (sides.before === null) return;
  sides.after = await ask("map", { share });
  draw();
}

export function showMarks(found) {
  const before = new Set(found.before), after = new Set(found.after);
  marks = {
    kept: found.after.filter((row) => before.has(row)),
    new: found.after.filter((row) => !before.has(row)),
    lost: found.before.filter((row) => !after.has(row)),
    right: found.right,
    query: found.place,
  };
  cursor = null;
  draw();
}

export function showSide(name) {
  if (name === shown) return;
  shown = name;
  const from = mixed, to = name === "after" ? 1 : 0, began = performance.now();
  cancelAnimationFrame(frame);
  const slide = (now) => {
    const part = still() ? 1 : Math.min(1, (now - began) / SLIDE);
    mixed = from + (to - from) * part * part * (3 - 2 * part);
    draw();
    if (part < 1) frame = requestAnimationFrame(slide);
  };
  frame = requestAnimationFrame(slide);
}

function at(number) {
  return between(sides.before.points[number], sides.after.points[number]);
}

function between(before, after) {
  const size = canvas.clientWidth - 2 * MARGIN;
  return [0, 1].map((axis) => {
    const value = (before[axis] + (after[axis] - before[axis]) * mixed) / SIDE;
    return MARGIN + size * (axis ? 1 - value : value);
  });
}

function draw() {
  if (sides.after === null || !canvas.clientWidth) return;
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const ratio = devicePixelRatio || 1;
  const size = canvas.clientWidth;
  if (canvas.width !== Math.round(size * ratio)) canvas.width = canvas.height = Math.round(size * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, size, size);
  pen.fillStyle = color("--muted");
  pen.globalAlpha = sides.before.rows.length > 3000 ? 0.3 : 0.5;
  for (let number = 0; number < sides.before.rows.length; number++) {
    const [x, y] = at(number);
    pen.fillRect(x - 1.25, y - 1.25, 2.5, 2.5);
  }
  pen.globalAlpha = 1;
  for (const [name, rows] of Object.entries(marks)) {
    if (name === "query") continue;
    for (const row of rows) {
      if (place.has(row)) mark(pen, name, at(place.get(row)), color);
    }
  }
  if (marks.query.before && marks.query.after) mark(pen, "query", between(marks.query.before, marks.query.after), color);
  if (cursor !== null) {
    const [x, y] = at(cursor);
    pen.strokeStyle = color("--ink");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, 10, 0, 2 * Math.PI);
    pen.stroke();
  }
}

// Shapes as well as colors: kept a disk, new a triangle, lost a hollow square, right a star around it, the query a cross.
const SHAPES = {
  kept: ["--s0", "M-5,0A5,5,0,1,1,5,0A5,5,0,1,1,-5,0Z", true],
  new: ["--good", "M0,-6L6,5L-6,5Z", true],
  lost: ["--bad", "M-5,-5L5,-5L5,5L-5,5Z", false],
  right: ["--s4", "M0,-11L2.6,-3.6L10.5,-3.4L4.2,1.4L6.5,8.9L0,4.4L-6.5,8.9L-4.2,1.4L-10.5,-3.4L-2.6,-3.6Z", false],
  query: ["--ink", "M-7,-7L7,7M-7,7L7,-7", false],
};

function mark(pen, name, [x, y], color) {
  const [tint, path, solid] = SHAPES[name];
  pen.save();
  pen.translate(x, y);
  pen.lineWidth = 2;
  pen.strokeStyle = pen.fillStyle = color(tint);
  if (solid) pen.fill(new Path2D(path));
  else pen.stroke(new Path2D(path));
  pen.restore();
}

function legend(state) {
  const items = Object.entries(SHAPES).map(([name, [, path, solid]]) => {
    const drawing = drawn("svg", { width: 22, height: 22, viewBox: "-11 -11 22 22", "aria-hidden": "true", class: `shape ${name}${solid ? " solid" : ""}` }, drawn("path", { d: path }));
    return element("li", {}, drawing, word(name === "query" ? "queryPoint" : name));
  });
  if (state.shown < state.documents) items.push(element("li", {}, word("someShown", count(state.shown), count(state.documents))));
  find("legend").replaceChildren(...items);
}

function nearest(x, y, allowed = () => true) {
  let best = null, least = Infinity;
  for (let number = 0; number < sides.before.rows.length; number++) {
    const [px, py] = at(number);
    const far = (px - x) ** 2 + (py - y) ** 2;
    if (far < least && allowed(px - x, py - y, number)) [best, least] = [number, far];
  }
  return [best, Math.sqrt(least)];
}

async function textOf(row) {
  if (!texts.has(row)) texts.set(row, (await ask("document", { row })).text);
  return texts.get(row);
}

canvas.addEventListener("click", (event) => {
  const [number, far] = nearest(event.offsetX, event.offsetY);
  if (number !== null && far <= NEAR) open(sides.before.rows[number]);
});

let hovered = null;
canvas.addEventListener("pointermove", async (event) => {
  if (sides.after === null || event.pointerType === "touch") return;
  const [x, y] = [event.offsetX, event.offsetY];
  const [number, far] = nearest(x, y);
  const row = number !== null && far <= NEAR ? sides.before.rows[number] : null;
  canvas.classList.toggle("over", row !== null);
  if (row === hovered) return;
  hovered = row;
  if (row === null) return hide();
  const said = await textOf(row).catch(() => null);
  if (said === null || hovered !== row) return;
  const tip = find("tip");
  tip.textContent = said.length > 160 ? `${said.slice(0, 160)} …` : said;
  tip.hidden = false;
  tip.style.left = `${Math.max(0, Math.min(x + 12, canvas.clientWidth - tip.offsetWidth))}px`;
  tip.style.top = y + 18 + tip.offsetHeight > canvas.clientHeight ? `${Math.max(0, y - 12 - tip.offsetHeight)}px` : `${y + 18}px`;
});
canvas.addEventListener("pointerleave", hide);

function hide() {
  hovered = null;
  find("tip").hidden = true;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

canvas.addEventListener("keydown", async (event) => {
  if (sides.after === null) return;
  if (event.key === "Enter" && cursor !== null) return open(sides.before.rows[cursor]);
  if (event.key === "Escape") {
    cursor = null;
    return draw();
  }
  const arrow = ARROWS[event.key];
  if (!arrow) return;
  event.preventDefault();
  if (cursor === null) {
    const middle = canvas.clientWidth / 2;
    [cursor] = nearest(middle, middle);
  } else {
    const [x, y] = at(cursor);
    const ahead = (dx, dy) => {
      const along = dx * arrow[0] + dy * arrow[1], across = Math.abs(dx * arrow[1]) + Math.abs(dy * arrow[0]);
      return along > 0.5 && across <= along;
    };
    const [next] = nearest(x, y, ahead);
    if (next !== null) cursor = next;
  }
  draw();
  const said = await textOf(sides.before.rows[cursor]).catch(() => "");
  find("map-said").textContent = said;
});
canvas.addEventListener("blur", () => {
  cursor = null;
  draw();
});

new ResizeObserver(draw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
