// Elements and what the server says. Texts of the user's become text nodes and nothing else.

export const find = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export async function ask(name, asked = {}) {
  const response = await fetch(`/api/${name}?${new URLSearchParams(asked)}`);
  return await answerOf(response);
}

export async function tell(name, said) {
  const token = document.querySelector("meta[name=acclimate-token]").content;
  const headers = { "content-type": "application/json", "x-acclimate-token": token };
  return await answerOf(await fetch(`/api/${name}`, { method: "POST", headers, body: JSON.stringify(said) }));
}

async function answerOf(response) {
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.problem);
  return answer;
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Calls a function once it has not been called for a while.
export function later(call, milliseconds) {
  let waiting = 0;
  return (...said) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => call(...said), milliseconds);
  };
}

const kindOf = (text) => (/^[\d., -]+$/.test(text) ? "digits" : text.length > 20 ? "words" : null);

export function table(caption, head, rows, kind = "") {
  return element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": caption },
    element("table", { class: kind },
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map(([first, ...rest]) =>
        element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((cell) => element("td", { dir: "auto", class: kindOf(String(cell)) }, cell)))))));
}
