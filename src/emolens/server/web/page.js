// The page as a whole: the pictures that are here, the one that is shown, the face that is chosen.
import { analyse, forget, itemOf } from "./asking.js";
import { learnColours } from "./charts.js";
import { exportFrom } from "./exporting.js";
import { heatPanel } from "./heat.js";
import { takeIn } from "./intake.js";
import { by, make } from "./making.js";
import { learnTerms, panels, told } from "./panels.js";
import { markChosen, showPicture, showTimeline, showTrouble, showWait } from "./stage.js";

const AT_ONCE = 3;
let items = [], current = null, running = 0, facts = null;

const say = words => { by("said").textContent = words; };

function add(given) {
  const fresh = given.map(itemOf);
  if (!fresh.length) return;
  items.push(...fresh);
  if (document.body.classList.contains("empty")) by("meaning").open = false;
  document.body.classList.remove("empty");
  by("work").hidden = false;
  show(fresh[0]);
  next();
}

function next() {
  const waiting = items.find(item => item.state === "waiting" && !item.asked);
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
  const picture = item.state === "done" && !item.film;
  if (item.state === "waiting") showWait(item);
  else if (item.state === "trouble") showTrouble(item, () => { item.state = "waiting"; item.asked = false; show(item); next(); });
  else if (item.film) showTimeline(item);
  else showPicture(item, item.chosen, choose);
  by("panel").replaceChildren(...(picture ? panels(item.result, item.chosen, choose) : []));
  showHeat(picture ? item : null);
  by("panel").hidden = !picture;
  by("work").classList.toggle("alone", !picture);
  by("annotated").hidden = !picture;
  by("csv").disabled = by("json").disabled = !items.some(one => one.state === "done");
  strip();
}

// The controls of the map, right below the picture, so that it is in sight while they move.
function showHeat(item) {
  const mapped = item && facts.stimuli && item.result.evoked && !item.drawn; // on one that the service drew it would not lie right
  const redraw = () => { if (item === current) { show(item); by("opacity")?.focus(); } };
  by("under").replaceChildren(...(mapped ? [heatPanel(item, redraw)] : []));
  by("under").hidden = !mapped;
}

function choose(n) {
  if (n === current.chosen) return;
  current.chosen = n;
  const focused = document.activeElement?.getAttribute("aria-label"), inPanel = by("panel").contains(document.activeElement);
  markChosen(n);
  by("panel").replaceChildren(...panels(current.result, n, choose));
  if (inPanel) [...by("panel").querySelectorAll("button")].find(one => one.getAttribute("aria-label") === focused)?.focus();
}

function strip() {
  by("strip").hidden = items.length < 2;
  by("strip").replaceChildren(...items.map(item => {
    const badge = item.state === "trouble" ? "!" : item.state === "waiting" ? "…" : item.film ? "▶" : String(item.result.faces.length);
    const state = item.state === "trouble" ? "not analysed" : item.state === "waiting" ? "waiting" : item.film ? "video" : told(item.result);
    const sight = item.film || !item.shown || item.state === "trouble" ? make("div", { class: "none", "aria-hidden": "true" }, item.film ? "▶" : "?") : make("img", { src: item.shown, alt: "" });
    return make("button", { type: "button", "aria-current": String(item === current), "aria-label": `${item.name}: ${state}`, title: item.name, onclick: () => { show(item); by("strip").querySelector("[aria-current=true]").focus(); } },
      sight, make("span", { "aria-hidden": "true" }, badge));
  }));
}

function clear() {
  items.forEach(forget);
  items = [];
  current = null;
  document.body.classList.add("empty");
  by("meaning").open = true;
  by("work").hidden = true;
  for (const id of ["stage", "panel", "strip", "under"]) by(id).replaceChildren();
  say("Everything is forgotten.");
  by("pick").focus();
}

async function start() {
  facts = await (await fetch("/web/facts.json")).json();
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  facts.stays = here ? "It stays on this machine; nothing is kept." : `It is sent to ${location.host}, which keeps nothing.`;
  learnColours(facts.colours);
  learnTerms(facts.terms);
  by("privacy").textContent = here ? "Pictures stay on this machine and are not kept." : `Pictures are sent to ${location.host}, which does not keep them.`;
  by("models").textContent = `emolens ${facts.version} · ${facts.models.join(", ")} · detector ${facts.detector}`;
  takeIn(add, facts);
  exportFrom(() => items, () => current, say);
  by("clear").addEventListener("click", clear);
  by("theme").addEventListener("click", () => {
    const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  document.body.dataset.ready = "yes";
}

start();
