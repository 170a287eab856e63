// Questions with known answers, and all documents: lists with a filter and pages.

import { ask, element, find, later, table } from "./dom.js";
import { count, word } from "./words.js";

const A_PAGE = 25;

class Paged {
  constructor(name, controls, rowsOf) {
    Object.assign(this, { name, controls, rowsOf, start: 0, opened: false, asked: 0 });
    const again = later(() => this.show(0), 200);
    for (const control of controls) find(`${name}-${control}`).addEventListener("input", again);
    find(`${name}-part`).addEventListener("toggle", () => {
      if (find(`${name}-part`).open && !this.opened) this.show(0);
    });
  }

  async show(start = this.start) {
    this.opened = true;
    this.start = start;
    const turn = ++this.asked;
    const asked = Object.fromEntries(this.controls.map((control) => [control, find(`${this.name}-${control}`).value]));
    const found = await ask(this.name, { ...asked, start, count: A_PAGE });
    if (turn !== this.asked) return;
    const rows = found[this.name];
    const end = start + rows.length;
    const turnTo = (to, name, possible) => element("button", { type: "button", class: "small", disabled: !possible, onclick: () => this.show(to) }, word(name));
    const pages = element("p", { class: "pages" },
      turnTo(start - A_PAGE, "previous", start > 0),
      element("span", { role: "status" }, rows.length ? word("pages", count(start + 1), count(end), count(found.total)) : word("none")),
      turnTo(end, "next", end < found.total));
    find(this.name).replaceChildren(...(rows.length ? [this.rowsOf(rows)] : []), pages);
  }

  // Draws anew what is there, in another language.
  again() {
    if (this.opened) this.show();
  }
}

const rank = (value) => (value ? count(value) : "—");

export function questions(actions) {
  return new Paged("questions", ["words", "origin", "order"], (rows) =>
    table(word("questions"), [word("question"), word("rankBefore"), word("rankAfter")], rows.map((row) => [
      element("button", { type: "button", class: "link", dir: "auto", onclick: () => actions.ask(row.text) }, row.text), rank(row.before), rank(row.after),
    ]), "ranks-table"));
}

export function documents(actions) {
  return new Paged("documents", ["words"], (rows) => {
    const placed = rows[0].before !== undefined, labeled = rows[0].label !== undefined;
    const head = [word("document"), word("text"), ...(labeled ? [word("label")] : []), word("cosine"), ...(placed ? [word("placeBefore"), word("placeAfter")] : [])];
    return table(word("documents"), head, rows.map((row) => [
      element("button", { type: "button", class: "link", "aria-label": word("neighborsOf", row.id), onclick: () => actions.open(row.row) }, row.id),
      row.text.length > 280 ? `${row.text.slice(0, 280)} …` : row.text,
      ...(labeled ? [row.label] : []),
      row.cosine.toFixed(3),
      ...(placed ? [row.before.join(", "), row.after.join(", ")] : []),
    ]));
  });
}
