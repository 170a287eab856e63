"use strict";
// Language, filters of the queries, and marking on the map. Without it the page is whole and in English.
(() => {
  const find = (id) => document.getElementById(id);
  const all = (path, where = document) => [...where.querySelectorAll(path)];
  const SVG = "http://www.w3.org/2000/svg";

  // -- language ------------------------------------------------------------------------------------------------------
  const english = new Map();
  const NAMES = ["aria-label", "label"];
  let language = "en";

  function speak(wanted) {
    language = wanted;
    document.documentElement.lang = wanted === "zh" ? "zh-Hans" : "en";
    find("language").value = wanted;
    for (const element of all("[data-zh]")) {
      if (!english.has(element)) english.set(element, element.textContent);
      element.textContent = wanted === "zh" ? element.dataset.zh : english.get(element);
    }
    for (const name of NAMES) {
      for (const element of all(`[data-zh-${name}]`)) {
        const kept = `data-en-${name}`;
        if (!element.hasAttribute(kept)) element.setAttribute(kept, element.getAttribute(name));
        element.setAttribute(name, element.getAttribute(wanted === "zh" ? `data-zh-${name}` : kept));
      }
    }
  }

  function tell(element, ...values) {
    const said = language === "zh" ? element.dataset.zhSaid : element.dataset.said;
    element.textContent = said.replace(/\{(\d)\}/g, (_, place) => values[place].toLocaleString(language));
  }

  // -- queries -------------------------------------------------------------------------------------------------------
  const cases = all("[data-case]").map((element) => ({
    element, home: element.parentElement, line: Number(element.dataset.line), gain: Number(element.dataset.gain),
    fate: element.dataset.fate, parts: element.dataset.parts.split(" "), text: null,
  }));
  const marked = new Set(); // lines of queries, while a region of the map is marked
  let marking = false;
  let list = null; // where the queries stand while they are filtered
  const value = (id) => (find(id) ? find(id).value : "");

  function listOf(first) {
    const whole = first.home.closest(".scroll");
    if (!whole) return [first.home.cloneNode(false)].map((made) => ({ shown: made, rows: made }))[0];
    const made = whole.cloneNode(true);
    made.querySelector("tbody").replaceChildren();
    return { shown: made, rows: made.querySelector("tbody") };
  }

  const ORDERS = {
    gained: (a, b) => b.gain - a.gain || a.line - b.line,
    lost: (a, b) => a.gain - b.gain || a.line - b.line,
    line: (a, b) => a.line - b.line,
  };

  function show() {
    if (!cases.length) return;
    const words = value("words").toLowerCase().split(/\s+/).filter(Boolean);
    const [fate, part, order] = ["fate", "part", "order"].map(value);
    const filtered = words.length || fate || part || marking || order !== "gained";
    const groups = [...find("cases").children].filter((child) => !list || child !== list.shown);
    for (const group of groups) group.hidden = Boolean(filtered);
    find("found").hidden = !filtered;
    if (!filtered) {
      if (list) list.shown.hidden = true;
      for (const one of cases) one.home.append(one.element);
      return;
    }
    if (!list) {
      list = listOf(cases[0]);
      find("cases").append(list.shown);
    }
    list.shown.hidden = false;
    const kept = cases.filter((one) => {
      if ((fate && one.fate !== fate) || (part && !one.parts.includes(part)) || (marking && !marked.has(one.line))) return false;
      if (!words.length) return true;
      one.text ??= all(".query, .own", one.element).map((e) => e.textContent).join("\n").toLowerCase();
      return words.every((word) => one.text.includes(word));
    });
    list.rows.replaceChildren(...kept.sort(ORDERS[order]).map((one) => one.element));
    tell(find("found"), kept.length, cases.length);
  }

  if (cases.length) {
    find("filters").hidden = false;
    let waiting = 0;
    find("filters").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(show, 120);
    });
    find("reset").addEventListener("click", () => {
      for (const element of all("input, select", find("filters"))) {
        if (element.localName === "input") element.value = "";
        else element.selectedIndex = 0;
      }
      unmark();
    });
  }

  // -- map -----------------------------------------------------------------------------------------------------------
  const drawings = ["before", "after"].map((side) => find(`map-${side}`)).filter(Boolean);
  const rows = all("#points tbody tr");
  const SIZE = 400, LEAST = 4; // of a drawing; a shorter way is a click
  let half = 24;

  function unmark() {
    marking = false;
    marked.clear();
    if (drawings.length) {
      for (const drawing of drawings) {
        drawing.classList.remove("marking");
        for (const element of all(".on", drawing)) element.classList.remove("on");
        for (const element of all(".square", drawing)) element.remove();
      }
      for (const row of rows) row.hidden = false;
      find("marked").hidden = true;
      find("unmark").disabled = true;
    }
    show();
  }

  function mark(found) {
    const chosen = new Set(found);
    marking = true;
    marked.clear();
    for (const drawing of drawings) {
      drawing.classList.add("marking");
      [...drawing.firstElementChild.children].forEach((point, number) => point.classList.toggle("on", chosen.has(number)));
    }
    rows.forEach((row, number) => {
      row.hidden = !chosen.has(number);
      if (!row.hidden) for (const line of row.dataset.lines.split(" ")) if (line) marked.add(Number(line));
    });
    find("marked").hidden = false;
    find("unmark").disabled = false;
    tell(find("marked"), chosen.size);
    show();
  }

  function placesOf(drawing) {
    return [...drawing.firstElementChild.children].map((point) =>
      point.localName === "circle"
        ? [Number(point.getAttribute("cx")), Number(point.getAttribute("cy"))]
        : [Number(point.getAttribute("x")) + 2.5, Number(point.getAttribute("y")) + 2.5]);
  }

  function squareOn(drawing) {
    for (const other of drawings) if (other !== drawing) for (const element of all(".square", other)) element.remove();
    const known = drawing.querySelector(".square");
    if (known) return known;
    const made = document.createElementNS(SVG, "rect");
    made.setAttribute("class", "square");
    drawing.append(made);
    return made;
  }

  function draw(drawing, [left, top, right, bottom]) {
    const square = squareOn(drawing);
    for (const [name, size] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) square.setAttribute(name, size);
  }

  for (const drawing of drawings) {
    const places = placesOf(drawing);
    let began = null, ends = null, middle = [SIZE / 2, SIZE / 2], dragged = false;
    const inside = ([left, top, right, bottom]) =>
      places.flatMap(([x, y], number) => (x >= left && x <= right && y >= top && y <= bottom ? [number] : []));
    const around = ([x, y]) => [x - half, y - half, x + half, y + half];
    const at = (event) => {
      const box = drawing.getBoundingClientRect();
      return [(event.clientX - box.left) * SIZE / box.width, (event.clientY - box.top) * SIZE / box.height];
    };
    const under = ([x, y]) => {
      const near = places.map(([px, py], number) => [(px - x) ** 2 + (py - y) ** 2, number]);
      const [far, number] = near.reduce((a, b) => (b[0] < a[0] ? b : a));
      find("under").textContent = far <= 100 ? rows[number].cells[0].textContent : "";
    };

    drawing.setAttribute("tabindex", "0");
    drawing.setAttribute("role", "application");
    drawing.setAttribute("aria-describedby", "brush");
    drawing.addEventListener("pointerdown", (event) => {
      dragged = false;
      if (event.pointerType === "touch" || event.button) return; // a finger scrolls; its tap is a click
      began = ends = at(event);
      drawing.setPointerCapture(event.pointerId);
    });
    drawing.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") under(at(event));
      if (!began) return;
      ends = at(event);
      dragged = dragged || Math.hypot(ends[0] - began[0], ends[1] - began[1]) > LEAST;
      if (dragged) draw(drawing, region());
    });
    const region = () => [0, 1].map((axis) => Math.min(began[axis], ends[axis])).concat([0, 1].map((axis) => Math.max(began[axis], ends[axis])));
    drawing.addEventListener("pointerup", () => {
      if (dragged && began) mark(inside(region()));
      began = null;
    });
    drawing.addEventListener("pointercancel", () => { began = null; });
    drawing.addEventListener("click", (event) => {
      if (dragged) return;
      middle = at(event);
      draw(drawing, around(middle));
      mark(inside(around(middle)));
    });
    const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    drawing.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (move) middle = middle.map((place, axis) => Math.min(SIZE, Math.max(0, place + move[axis] * half / 2)));
      else if (event.key === "+" || event.key === "=") half = Math.min(SIZE, half * 1.25);
      else if (event.key === "-") half = Math.max(4, half / 1.25);
      else if (event.key === "Enter" || event.key === " ") mark(inside(around(middle)));
      else if (event.key === "Escape") return unmark();
      else return;
      event.preventDefault();
      draw(drawing, around(middle));
      under(middle);
    });
  }
  if (drawings.length) {
    for (const element of all(".brush")) element.hidden = false;
    find("unmark").addEventListener("click", unmark);
  }

  find("language").addEventListener("change", (event) => {
    speak(event.target.value);
    if (marking) tell(find("marked"), rows.filter((row) => !row.hidden).length);
    show();
  });
  find("language").parentElement.hidden = false;
  speak(navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
  show();
})();
