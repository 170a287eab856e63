// The page: what is asked stands in the address, so that it can be kept, sent on and gone back to.

import { ask, element, find, tell } from "./dom.js";
import { follow, redraw } from "./live.js";
import { showMap, showMarks, showShare, showSide } from "./map.js";
import { showNeighbors, showVerdict } from "./neighbors.js";
import { documents, questions } from "./tables.js";
import { count, LANGUAGES, speak, word } from "./words.js";

const EVERY = 700; // milliseconds between two questions whether the vectors are there
const SLOW = 5000; // milliseconds: no answer takes as long unless documents were encoded for it

let state = { phase: "waiting" };
let wanted = read();
let found = null;
let turn = 0;
let took = 0;
let ready = false;

// From lists, whose buttons may be gone when the answer is there: what is told of it takes the focus, and comes into view.
const actions = {
  ask: async (text) => {
    await go({ query: text, row: null }, true);
    find("told").focus();
  },
  open: async (row) => {
    await go({ query: "", row }, true);
    find("told").focus();
  },
  judge,
};
const openOnMap = (row) => go({ query: "", row }, true);
const tables = [questions(actions), documents(actions)];

function read() {
  const said = new URLSearchParams(location.search);
  const spoken = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  const whole = (name) => (/^\d{1,12}$/.test(said.get(name) ?? "") ? Number(said.get(name)) : null);
  return {
    query: said.get("query") ?? "",
    row: whole("row"),
    count: [5, 10, 20, 50].includes(whole("count")) ? whole("count") : 10,
    share: said.get("share") ?? "1",
    view: said.get("view") === "before" ? "before" : "after",
    language: LANGUAGES.includes(said.get("language")) ? said.get("language") : spoken,
  };
}

function address() {
  const said = new URLSearchParams();
  if (wanted.row !== null) said.set("row", wanted.row);
  else if (wanted.query) said.set("query", wanted.query);
  if (wanted.count !== 10) said.set("count", wanted.count);
  if (wanted.share !== "1") said.set("share", wanted.share);
  if (wanted.view !== "after") said.set("view", wanted.view);
  if (new URLSearchParams(location.search).has("language") || wanted.said) said.set("language", wanted.language);
  return `${location.pathname}${said.size ? `?${said}` : ""}`;
}

// Goes to another state; `step` makes it one that the browser goes back from.
function go(change, step = false) {
  Object.assign(wanted, change);
  history[step ? "pushState" : "replaceState"](null, "", address());
  return show();
}

async function show() {
  find("count").value = wanted.count;
  find("language").value = wanted.language;
  for (const radio of document.querySelectorAll("input[name=view]")) radio.checked = radio.value === wanted.view;
  if (!ready) return;
  if (!state.shares.some((share) => String(share) === wanted.share)) wanted.share = "1";
  find("share").value = state.shares.map(String).indexOf(wanted.share);
  showTitleOfShare();
  showSide(wanted.view);
  const own = ++turn;
  find("query").value = wanted.row === null ? wanted.query : "";
  const asked = wanted.row !== null ? { row: wanted.row } : wanted.query.trim() ? { query: wanted.query } : null;
  if (asked === null) {
    found = null;
    find("results").hidden = find("right-part").hidden = true;
    find("asked").replaceChildren();
    find("told").textContent = word("hint");
    return;
  }
  const began = performance.now();
  find("results").setAttribute("aria-busy", "true");
  const waiting = setInterval(() => tellProgress(own), EVERY);
  try {
    const answer = await ask("neighbors", { ...asked, count: wanted.count, share: wanted.share });
    if (own !== turn) return;
    took = performance.now() - began;
    found = { ...answer, key: JSON.stringify([asked, wanted.count]) };
    draw();
    await showShare(Number(wanted.share));
  } catch (problem) {
    if (own === turn) find("told").textContent = problem instanceof TypeError ? word("unreachable") : problem.message;
  }
  clearInterval(waiting);
  if (own === turn) find("results").setAttribute("aria-busy", "false");
}

// A share of the weights that nobody has asked for takes as long as encoding all documents.
async function tellProgress(own) {
  const now = await ask("state").catch(() => null);
  if (own === turn && now !== null && now.done < now.total) find("told").textContent = word("encoding", count(now.done), count(now.total));
}

function draw() {
  if (found === null) return;
  const about = found.query;
  find("results").hidden = false;
  const told = [word("told", count(found.kept), count(found.new), count(found.lost))];
  const best = (side) => count(Math.min(...found.right.map((row) => found.documents[row][`rank_${side}`])));
  if (about.kind === "question" && found.right.length) told.push(word("first", best("before"), best("after")));
  else if (about.kind !== "document") told.push(word("noneKnown"));
  find("told").textContent = told.join(" ");
  const asked = [];
  if (about.kind === "document") {
    asked.push(element("p", { class: "note" }, word("askedDocument", about.id)), element("p", { class: "asked", dir: "auto", role: "region", tabindex: 0, "aria-label": word("query") }, about.text));
  } else if (about.kind === "question") {
    asked.push(element("p", { class: "note" }, word(about.origin === "test" ? "askedTest" : "askedTrain")));
    if (about.origin === "test" && Object.keys(found.feedback ?? {}).length) asked.push(testNote());
  }
  if (took < SLOW) asked.push(element("p", { class: "note took" }, word("milliseconds", Math.round(took))));
  find("asked").replaceChildren(...asked);
  showNeighbors(found, actions);
  showMarks(found);
}

const testNote = () => element("p", { class: "note test-feedback" }, word("testFeedback"));

async function judge(row, verdict) {
  const given = found.feedback[row] === verdict ? "none" : verdict;
  try {
    await tell("feedback", { query: found.query.text, row, verdict: given });
  } catch (problem) {
    find("told").textContent = problem.message;
    return;
  }
  found.feedback[row] = given;
  showVerdict(row, given);
  find("told").textContent = word(given === "none" ? "takenBack" : "saved");
  if (found.query.origin === "test" && !document.querySelector(".test-feedback")) find("asked").append(testNote());
}

function showTitleOfShare() {
  const share = state.shares[Number(find("share").value)];
  const name = share === 0 ? word("shareBase") : share === 1 ? word("shareTuned") : String(share);
  find("share-value").textContent = name;
  find("share").setAttribute("aria-valuetext", name);
}

function describe() {
  const named = state.method ? word("about", state.method, state.base) : word("aboutBase", state.base);
  document.title = word("title", state.run);
  find("run").textContent = state.run;
  find("about").replaceChildren(named, ...(state.verdict ? [" · ", element("strong", { class: state.tone }, word("verdict", state.verdict))] : []),
    ...(state.documents ? [` · ${word("ready", count(state.documents))}`] : []));
  const notes = [...(state.rejected ? [word("rejected")] : []), ...state.notes];
  find("notes").hidden = notes.length === 0;
  find("notes").replaceChildren(...notes.map((note) => element("li", {}, note)));
  const phases = {
    waiting: () => word("waiting"),
    encoding: () => (state.total ? word("encoding", count(state.done), count(state.total)) : word("starting")),
    failed: () => word("failed", state.problem),
    ready: () => "",
  };
  const said = phases[state.phase]();
  if (find("phase").textContent !== said) find("phase").textContent = said;
  find("wait").hidden = state.phase === "ready";
  find("progress").hidden = state.phase !== "encoding";
  if (state.total) find("progress").value = state.done / state.total;
  else find("progress").removeAttribute("value");
}

const training = () => state.phase === "waiting";

async function watch() {
  let following = false;
  for (;;) {
    try {
      state = await ask("state");
      describe();
    } catch {
      find("phase").textContent = word("unreachable");
    }
    if (!following && state.run) {
      following = true;
      find("training-part").open = training();
      follow(training);
    }
    if (state.phase === "ready" || state.phase === "failed") break;
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
  if (state.phase === "ready") await begin();
}

async function begin() {
  ready = true;
  find("look").hidden = false;
  find("share-part").hidden = state.shares.length < 3;
  find("share").max = state.shares.length - 1;
  find("questions-part").hidden = state.questions + state.questions_of_train === 0;
  if (state.questions === 0) find("questions-origin").value = "train";
  find("questions-origin").closest("label").hidden = state.questions === 0 || state.questions_of_train === 0;
  const unasked = wanted.row === null && !wanted.query;
  if (unasked) {
    find("questions-part").open = state.questions + state.questions_of_train > 0;
    if (find("questions-part").hidden) find("documents-part").open = true;
  }
  await Promise.all([show(), showMap(state, openOnMap)]); // what is typed from now on stays
}

find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = find("query").value;
  if (text.trim()) go({ query: text, row: null }, true);
});
find("count").addEventListener("change", (event) => go({ count: Number(event.target.value) }));
find("share").addEventListener("input", showTitleOfShare);
find("share").addEventListener("change", (event) => go({ share: String(state.shares[Number(event.target.value)]) }));
for (const radio of document.querySelectorAll("input[name=view]")) {
  radio.addEventListener("change", () => {
    wanted.view = radio.value;
    history.replaceState(null, "", address());
    showSide(wanted.view);
  });
}
find("language").addEventListener("change", async (event) => {
  wanted.language = event.target.value;
  wanted.said = true;
  history.replaceState(null, "", address());
  speak(wanted.language);
  describe();
  redraw(training());
  if (!ready) return;
  showTitleOfShare();
  await showMap(state, openOnMap);
  if (found === null) show();
  draw();
  for (const part of tables) part.again();
});
addEventListener("popstate", () => {
  wanted = read();
  speak(wanted.language);
  show();
});

speak(wanted.language);
find("language").value = wanted.language;
watch();
