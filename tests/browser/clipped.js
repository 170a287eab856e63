// Texts that cannot be read whole: they leave their box or the page, or stand upon each other.
() => {
  const found = [];
  const page = document.documentElement.scrollWidth;
  if (page > innerWidth) found.push(`the page is ${page} wide`);
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim().slice(0, 40);
    if (!text || parent.closest(".unseen, .skip, option, [hidden], script")) continue;
    if (parent.closest("details:not([open])") && !parent.closest("summary")) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const box of range.getClientRects()) if (box.width > 1) boxes.push({ box, text, parent });
  }
  for (const { box, text, parent } of boxes) {
    if ((box.left < -1 || box.right > innerWidth + 1) && !parent.closest(".scroll")) found.push(`outside: ${text}`);
  }
  for (const element of document.querySelectorAll("button, label, .facts, .text, h1, h2, #told")) {
    if (element.clientWidth && element.scrollWidth > element.clientWidth + 1) {
      found.push(`clipped: ${element.textContent.slice(0, 40)}`);
    }
  }
  for (const row of document.querySelectorAll("details[open] tr, section tr")) {
    const tops = new Set([...row.cells].map((cell) => Math.round(cell.getBoundingClientRect().top)));
    if (tops.size > 1) found.push(`cells of a row beneath each other: ${row.textContent.slice(0, 40)}`);
  }
  for (const text of document.querySelectorAll("svg.chart text")) {
    // As it is seen: a name of an axis is turned.
    const [box, whole] = [text, text.ownerSVGElement].map((e) => e.getBoundingClientRect());
    if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.bottom > whole.bottom + 1) found.push(`beyond its chart: ${text.textContent}`);
  }
  const still = boxes.filter(({ parent }) => !parent.closest(".scroll, #asked"));
  still.forEach(({ box: a, text }, place) => {
    for (const { box: b, text: other } of still.slice(place + 1)) {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 2 && high > 0.45 * Math.min(a.height, b.height)) found.push(`overlap: ${text} / ${other}`);
    }
  });
  return found;
};
