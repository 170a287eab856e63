// The two lists, what became of each document, and what the user says of it.

import { element, find, still, table } from "./dom.js";
import { count, word } from "./words.js";

const LONG = 280; // characters, above which a text is shown in part

let last = { key: null, tops: new Map() }; // row -> where it stood in the list on the right, and for which query

export function showNeighbors(found, actions) {
  const documents = found.documents;
  const sides = { before: new Set(found.before), after: new Set(found.after) };
  for (const side of ["before", "after"]) {
    const items = found[side].map((row) => item(documents[row], side, sides, found, actions));
    find(side).replaceChildren(...items);
  }
  move(found);
  showRight(found, actions);
}

function item(document, side, sides, found, actions) {
  const other = side === "before" ? "after" : "before";
  const fate = sides[other].has(document.row) ? "kept" : side === "before" ? "lost" : "new";
  const change = document.rank_before - document.rank_after;
  const ranks = side === "after" ? word("was", count(document.rank_before)) : word("now", count(document.rank_after));
  const moved = change === 0 ? word("stays") : change > 0 ? `↑ ${word("up", count(change))}` : `↓ ${word("down", count(-change))}`;
  return element("li", { class: `${fate}${document.right ? " gold" : ""}`, "data-row": document.row },
    element("p", { class: "facts" },
      element("span", { class: "rank" }, `${document[`rank_${side}`]}.`),
      document.right && element("strong", { class: "gold-mark" }, `★ ${word("right")}`),
      element("span", { class: `fate ${fate}` }, word(fate)),
      element("span", { class: "moved" }, change === 0 ? moved : `${moved}, ${ranks}`),
      element("span", { class: "score" }, document[`score_${side}`].toFixed(3))),
    text(document),
    document.label !== undefined && element("p", { class: "note" }, `${word("label")}: ${document.label}`),
    element("p", { class: "actions" },
      element("button", { type: "button", class: "small", "aria-label": word("neighborsOf", document.id), onclick: () => actions.open(document.row) }, word("neighbors")),
      ...(found.feedback ? verdicts(document, found, actions) : [])));
}

export function text(document) {
  const shown = element("p", { class: "text", dir: "auto" });
  if (document.text.length <= LONG) {
    shown.textContent = document.text;
    return shown;
  }
  const cut = `${document.text.slice(0, LONG)} …`;
  const button = element("button", { type: "button", class: "link", "aria-expanded": "false" }, word("more"));
  const said = element("span", {}, cut);
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(open));
    button.textContent = word(open ? "less" : "more");
    said.textContent = open ? document.text : cut;
  });
  shown.append(said, " ", button);
  return shown;
}

function verdicts(document, found, actions) {
  return [["wrong", "wrong", "isWrong"], ["right", "rightOne", "isRight"]].map(([verdict, name, label]) =>
    element("button", {
      type: "button", class: `small ${verdict}`, "data-verdict": verdict, "data-of": document.row,
      "aria-pressed": String(found.feedback[document.row] === verdict), "aria-label": word(label, document.id),
      onclick: () => actions.judge(document.row, verdict),
    }, word(name)));
}

export function showVerdict(row, verdict) {
  for (const button of document.querySelectorAll(`[data-of="${row}"]`)) {
    button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  }
}

// Documents slide from where they stood: in the list before the change, or for a new query in that on the left.
function move(found) {
  const place = (side) => new Map([...find(side).children].map((li) => [Number(li.dataset.row), li.offsetTop]));
  const after = place("after");
  const from = last.key === found.key ? last.tops : place("before");
  if (!still()) {
    for (const li of find("after").children) {
      const row = Number(li.dataset.row);
      const known = from.has(row);
      const rise = known ? from.get(row) - after.get(row) : 60;
      if (rise || !known) {
        const start = { transform: `translateY(${rise}px)`, opacity: known ? 1 : 0 };
        li.animate([start, { transform: "none", opacity: 1 }], { duration: 600, easing: "ease-in-out" });
      }
    }
  }
  last = { key: found.key, tops: after };
}

function showRight(found, actions) {
  const part = find("right-part");
  part.hidden = found.right.length === 0;
  if (part.hidden) return;
  const rows = found.right.map((row) => {
    const document = found.documents[row];
    const open = element("button", { type: "button", class: "link", onclick: () => actions.open(row) }, document.id);
    return [open, document.text.slice(0, LONG), count(document.rank_before), count(document.rank_after)];
  });
  const caption = word("total", count(found.right_in_all));
  find("right").replaceChildren(table(caption, [word("document"), word("text"), word("rankBefore"), word("rankAfter")], rows));
}
