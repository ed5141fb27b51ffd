// The picture with its numbered faces; a wait, an error or a timeline in its place.
import { heatOver } from "./heat.js";
import { by, make } from "./making.js";
import { faceColour, faceName } from "./panels.js";

export function showPicture(item, chosen, choose) {
  const frame = make("div", { class: "frame" }, make("img", { src: item.shown, alt: `${item.name}, ${item.result.faces.length} faces marked` }));
  frame.append(...item.result.faces.map((face, n) => box(face, n, item.result.size, n === chosen, choose)));
  by("stage").replaceChildren(frame);
  layHeat(item);
}

// Between the picture and its boxes, which stay as they are: the keyboard may stand on one of them.
export function layHeat(item) {
  const layer = heatOver(item);
  if (layer) by("stage").querySelector(".frame img").after(layer);
}

function box(face, n, [width, height], pressed, choose) {
  const [x1, y1, x2, y2] = face.box;
  const element = make("button", {
    type: "button", class: `box${face.label ? "" : " unsure"}${y1 < 0.05 * height ? " low" : ""}`, colour: faceColour(face),
    "aria-pressed": String(pressed), "aria-label": faceName(face), onclick: () => choose(n), onfocus: () => choose(n),
    onkeydown: event => step(event, element),
  }, make("b", { "aria-hidden": "true" }, String(face.number)));
  Object.assign(element.style, {
    left: `${x1 / width * 100}%`, top: `${y1 / height * 100}%`, width: `${(x2 - x1) / width * 100}%`, height: `${(y2 - y1) / height * 100}%`,
  });
  return element;
}

function step(event, element) {
  const to = { ArrowRight: "nextElementSibling", ArrowDown: "nextElementSibling", ArrowLeft: "previousElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = to && element[to];
  if (!next || !next.matches(".box")) return;
  event.preventDefault();
  next.focus();
}

export function markChosen(chosen) {
  by("stage").querySelectorAll(".box").forEach((one, n) => one.setAttribute("aria-pressed", String(n === chosen)));
}

export function showWait(item) {
  by("stage").replaceChildren(make("div", { class: "message" }, make("div", { class: "spinner" }), make("p", {}, item.film ? `Watching ${item.name}. This may take a minute.` : `Looking at ${item.name}`)));
}

export function showTrouble(item, again) {
  const why = item.message.startsWith(`${item.name}: `) ? item.message.slice(item.name.length + 2) : item.message;
  by("stage").replaceChildren(make("div", { class: "message" },
    make("div", { class: "sign trouble", "aria-hidden": "true" }, "!"),
    make("h2", {}, `${item.name} was not analysed`),
    make("p", {}, why.charAt(0).toUpperCase() + why.slice(1)),
    item.again ? make("button", { type: "button", onclick: again }, "Try again") : null));
}

export function showTimeline(item) {
  const frame = make("iframe", { src: "/web/timeline.html", title: `Timeline of ${item.name}` });
  window.timeline = { ...item.answer.timeline, film: item.shown }; // the frame asks its parent for it, see server/timeline.py
  frame.addEventListener("load", () => {
    const fit = () => { frame.style.height = `${frame.contentDocument.body.scrollHeight + 4}px`; };
    new frame.contentWindow.ResizeObserver(fit).observe(frame.contentDocument.body);
    fit();
    light();
  });
  by("stage").replaceChildren(frame);
}

// The frame of a timeline as light or dark as the page, which may not be as the system is.
export function light() {
  const seen = by("stage").querySelector("iframe")?.contentDocument?.documentElement, { theme } = document.documentElement.dataset;
  if (seen && theme) seen.dataset.theme = theme;
}
