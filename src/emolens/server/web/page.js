// The page as a whole: the pictures that are here, the one that is shown, the face that is chosen.
import { analyse, forget, itemOf } from "./asking.js";
import { learnColours } from "./charts.js";
import { exportFrom, offerTables } from "./exporting.js";
import { heatPanel } from "./heat.js";
import { takeIn } from "./intake.js";
import { by, make } from "./making.js";
import { learnTerms, panels, seeChosen, told } from "./panels.js";
import { layHeat, light, markChosen, showPicture, showTimeline, showTrouble, showWait } from "./stage.js";

const AT_ONCE = 3;
let items = [], current = null, running = 0, facts = null;

const say = words => { by("said").textContent = words; };
const tell = words => { by("fault").textContent = words; by("fault").hidden = !words; };

function add(given) {
  const fresh = given.map(itemOf);
  if (!fresh.length) return;
  tell("");
  items.push(...fresh);
  if (document.body.classList.contains("empty")) by("meaning").open = false;
  document.body.classList.remove("empty");
  by("work").hidden = false;
  show(fresh[0]);
  next();
}

function next() {
  const watching = items.some(item => item.film && item.asked && item.state === "waiting"); // the service watches one at a time
  const waiting = items.find(item => item.state === "waiting" && !item.asked && !(item.film && watching));
  if (!waiting || running >= AT_ONCE) return;
  waiting.asked = true;
  running++;
  analyse(waiting, facts.limits).then(() => {
    running--;
    if (items.includes(waiting)) {
      say(`${waiting.name}: ${waiting.state === "trouble" ? waiting.message : waiting.film ? "timeline ready." : told(waiting.result)}`);
      if (waiting === current) show(waiting); else strip();
    }
    next();
  });
  next();
}

function show(item) {
  current = item;
  const picture = item.state === "done" && !item.film, focused = by("stage").contains(document.activeElement);
  if (item.state === "waiting") showWait(item);
  else if (item.state === "trouble") showTrouble(item, () => { item.state = "waiting"; item.asked = false; show(item); next(); });
  else if (item.film) showTimeline(item);
  else showPicture(item, item.chosen, choose);
  if (focused) by("stage").focus({ preventScroll: true }); // what had it, "Try again", is gone
  by("panel").replaceChildren(...(picture ? panels(item.result, item.chosen, choose) : []));
  seeChosen(by("panel"));
  showHeat(picture ? item : null);
  by("panel").hidden = !picture;
  by("work").classList.toggle("alone", !picture);
  by("annotated").hidden = !picture;
  strip();
}

// The controls of the map, right below the picture, so that both are in sight while they move. The keyboard goes on to
// them only from what they stand in for: meanwhile it may be elsewhere.
function showHeat(item) {
  const mapped = item && facts.stimuli && item.result.evoked, focused = by("under").contains(document.activeElement);
  const redraw = () => { if (item === current) { layHeat(item); showHeat(item); } };
  by("under").replaceChildren(...(mapped ? [heatPanel(item, redraw)] : []));
  by("under").hidden = !mapped;
  if (!focused) return;
  by("under").querySelector("button, input")?.focus({ preventScroll: true });
  by("under").scrollIntoView({ block: "nearest" });
}

function choose(n) {
  if (n === current.chosen) return;
  current.chosen = n;
  const focused = document.activeElement?.getAttribute("aria-label"), inPanel = by("panel").contains(document.activeElement);
  markChosen(n);
  const scrolled = by("panel").querySelector(".chips")?.scrollTop;
  by("panel").replaceChildren(...panels(current.result, n, choose));
  seeChosen(by("panel"), scrolled);
  if (inPanel) [...by("panel").querySelectorAll("button")].find(one => one.getAttribute("aria-label") === focused)?.focus();
}

// Each picture keeps its button, on which the keyboard may stand.
function strip() {
  by("strip").hidden = items.length < 2;
  for (const item of items) {
    if (!item.tile) by("strip").append(item.tile = make("button", { type: "button", title: item.name, onclick: () => show(item) }));
    item.tile.setAttribute("aria-current", String(item === current));
    if (item.tile.dataset.state === item.state) continue;
    item.tile.dataset.state = item.state;
    const badge = item.state === "trouble" ? "!" : item.state === "waiting" ? "…" : item.film ? "▶" : String(item.result.faces.length);
    const state = item.state === "trouble" ? "not analysed" : item.state === "waiting" ? "waiting" : item.film ? "video" : told(item.result);
    const none = make("div", { class: "none", "aria-hidden": "true" }, item.film ? "▶" : "?"), unseen = item.film || !item.shown || item.state === "trouble";
    const sight = unseen ? none : make("img", { src: item.shown, alt: "", onerror: event => event.target.replaceWith(none) });
    item.tile.setAttribute("aria-label", `${item.name}: ${state}`);
    item.tile.replaceChildren(sight, make("span", { "aria-hidden": "true" }, badge));
  }
  offerTables(items);
}

function clear() {
  items.forEach(forget);
  items = [];
  current = null;
  document.body.classList.add("empty");
  by("meaning").open = true;
  by("work").hidden = true;
  for (const id of ["stage", "panel", "strip", "under"]) by(id).replaceChildren();
  tell("");
  say("Everything is forgotten.");
  by("pick").focus();
}

async function start() {
  by("theme").addEventListener("click", () => {
    const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    light();
  });
  facts = await fetch("/web/facts.json").then(answer => (answer.ok ? answer.json() : null)).catch(() => null);
  if (!facts) {
    by("pick").disabled = by("camera").disabled = true;
    return tell("The service does not say what it can do, so nothing can be analysed here. See that it runs, and load this page again.");
  }
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  facts.stays = here ? "It stays on this machine; nothing is kept." : `It is sent to ${location.host}, which keeps nothing.`;
  learnColours(facts.colours);
  learnTerms(facts.terms);
  by("privacy").textContent = here ? "Pictures stay on this machine and are not kept." : `Pictures are sent to ${location.host}, which does not keep them.`;
  by("models").textContent = `emolens ${facts.version} · ${facts.models.join(", ")} · detector ${facts.detector}`;
  takeIn(add, facts, tell);
  exportFrom(() => items, () => current, tell);
  by("clear").addEventListener("click", clear);
  document.body.dataset.ready = "yes";
}

start();
