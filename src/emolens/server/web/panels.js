// What is said beside the picture: the face that is chosen, the group, what the picture evokes.
import { bars, colour, meter, onWheel, plane, stack, wheel } from "./charts.js";
import { make, percent } from "./making.js";

export const says = said => (!said || !("label" in said) ? "found" : said.label || "unsure");
export const faceName = face => `Face ${face.number}: ${says(face)}${face.label ? `, ${percent(face.confidence)} sure` : ""}`;
export const faceColour = face => (face.label ? colour(face.label) : "#b4b4b4");
let terms = {}; // of the data behind a task's answers, where they bind whoever uses them
export const learnTerms = known => { terms = known; };
const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

export function told(result) {
  if (!result.faces.length) return result.detector ? "No face found." : "What it evokes is told.";
  const group = result.group ? `, the group looks ${says(result.group)}` : "";
  return `${count(result.faces.length, "face")}${group}.`;
}

export function panels(result, chosen, choose) {
  return [facePanel(result, chosen, choose), groupPanel(result, choose), evokedPanel(result)].filter(Boolean);
}

function facePanel(result, chosen, choose) {
  const faces = result.faces, face = faces[chosen];
  if (!result.detector) return null; // nobody looked for faces
  if (!face) {
    return make("section", { class: "card" }, make("h2", {}, "No face found"),
      make("p", { class: "small" }, "That is an answer, not an error. Faces below about 20 pixels, turned far away or mostly covered are not found."));
  }
  const chips = make("div", { class: "chips", role: "group", "aria-label": "Faces" }, ...faces.map((one, n) =>
    make("button", { type: "button", colour: faceColour(one), "aria-pressed": String(n === chosen), "aria-label": faceName(one), onclick: () => choose(n) }, String(one.number))));
  const card = make("section", { class: "card", id: "face" },
    make("header", {}, make("h2", {}, faces.length === 1 ? "The face shows" : `Face ${face.number} of ${faces.length} shows`)),
    faces.length > 1 ? chips : null);
  if (face.distribution) card.append(...expression(face));
  return card;
}

function expression(face) {
  const spread = face.entropy / Math.log(Object.keys(face.distribution).length);
  return [
    make("p", { class: "big" }, make("i", { colour: faceColour(face) }), says(face)),
    make("dl", { class: "meters" },
      meter("Sure", face.confidence, "Calibrated probability that this is what most people would name"),
      meter("Spread", spread, `Entropy ${face.entropy.toFixed(2)} nats: 0 % is all on one expression, 100 % evenly over all`)),
    bars(face.distribution),
    make("p", { class: "small" }, "Apparent expression, not feeling. Bars: how people's votes would probably spread."),
  ];
}

function groupPanel(result, choose) {
  const group = result.group, faces = result.faces;
  if (!group || faces.length < 2) return null;
  const most = Math.max(...group.contributions);
  const shares = make("ul", { class: "bars" }, ...group.contributions.map((share, n) => ({ share, n })).sort((a, b) => b.share - a.share).slice(0, 12).map(({ share, n }) =>
    make("li", {},
      make("button", { type: "button", "aria-label": `${faceName(faces[n])}; ${percent(share)} of the group's answer`, onclick: () => choose(n) }, String(faces[n].number)),
      make("span", { class: "track" }, make("div", { colour: faceColour(faces[n]), width: `${share / most * 100}%` })),
      make("span", { class: "n" }, percent(share)))));
  return make("section", { class: "card", id: "group" },
    make("h2", {}, "The group looks"),
    make("p", { class: "big" }, make("i", { colour: group.label ? colour(group.label) : "#b4b4b4" }), `${says(group)} `, make("span", { class: "small" }, percent(group.confidence))),
    ...stack(group.distribution),
    ...(group.contributions.length ? [  // a trained model of groups does not tell
      make("h3", { class: "small" }, faces.length > 12 ? `What each face brought to that: the first 12 of ${faces.length}` : "What each face brought to that"),
      shares] : []));
}

function evokedPanel(result) {
  const evoked = result.evoked;
  if (!evoked || !evoked.distribution) return null;
  const known = typeof evoked.valence === "number" && typeof evoked.arousal === "number";
  return make("section", { class: "card", id: "evoked" },
    make("h2", {}, "The picture evokes in its viewers"),
    make("p", { class: "big" }, make("i", { colour: evoked.label ? colour(evoked.label) : "#b4b4b4" }), says(evoked)),
    make("div", { class: "charts" }, onWheel(evoked.distribution) ? wheel(evoked.distribution) : null, known ? plane(evoked.valence, evoked.arousal) : null),
    bars(evoked.distribution),
    make("p", { class: "small" }, "Evoked in viewers, not felt by those in it."),
    terms.evoked ? make("p", { class: "small", id: "terms" }, terms.evoked) : null);
}
