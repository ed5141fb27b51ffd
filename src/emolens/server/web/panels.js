// What is said beside the picture: the face that is chosen, the group, what the picture evokes.
import { bars, colour, meter, onWheel, plane, stack, wheel } from "./charts.js";
import { make, percent } from "./making.js";

export const says = said => (!said || !("label" in said) ? "found" : said.label || "unsure");
export const faceName = face => `Face ${face.number}: ${says(face)}${face.label ? `, ${percent(face.confidence)} sure` : ""}`;
export const faceColour = face => (face.label ? colour(face.label) : "#b4b4b4");
let terms = {}; // of the data behind a task's answers, where they bind whoever uses them
export const learnTerms = known => { terms = known; };
const termsOf = task => (terms[task] ? make("p", { class: "small terms" }, terms[task]) : null);
const MOST_WEIGHTS = 12;
const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

export function told(result) {
  if (!result.faces.length) return result.detector ? "No face found." : "What it evokes is told.";
  const group = result.group ? `, the group looks ${says(result.group)}` : "";
  return `${count(result.faces.length, "face")}${group}.`;
}

// In a crowd the numbers scroll: from where they stood, as little as brings the chosen one into sight.
export function seeChosen(panel, scrolled = 0) {
  const chips = panel.querySelector(".chips"), chip = chips?.querySelector("[aria-pressed=true]");
  if (!chip) return;
  chips.scrollTop = scrolled;
  const [above, below] = [chips.getBoundingClientRect().top - chip.getBoundingClientRect().top, chip.getBoundingClientRect().bottom - chips.getBoundingClientRect().bottom];
  chips.scrollTop += above > 0 ? -above - 4 : below > 0 ? below + 4 : 0;
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
  return [
    make("p", { class: "big" }, make("i", { colour: faceColour(face) }), says(face)),
    meters(face, "expression"),
    bars(face.distribution),
    make("p", { class: "small" }, "Apparent expression, not feeling. Bars: how people's votes would probably spread."),
    ...[termsOf("expression")].filter(Boolean),
  ];
}

function meters(said, kind) {
  const spread = said.entropy / Math.log(Object.keys(said.distribution).length);
  return make("dl", { class: "meters" },
    meter("Sure", said.confidence, `Probability that this is the ${kind} which most people would name`),
    meter("Spread", spread, `Entropy ${said.entropy.toFixed(2)} nats: 0 % is all on one ${kind}, 100 % evenly over all`));
}

// What the group's numbers are: emolens.group says it in full.
function groupPanel(result, choose) {
  const group = result.group, faces = result.faces;
  if (!group || faces.length < 2) return null;
  const weighed = group.contributions.length > 0; // a trained model of groups does not tell
  return make("section", { class: "card", id: "group" },
    make("h2", {}, "The group looks"),
    make("p", { class: "big" }, make("i", { colour: group.label ? colour(group.label) : "#b4b4b4" }), `${says(group)} `, make("span", { class: "small" }, `${group.confidence > 0.995 ? "over 99 %" : percent(group.confidence)} probable`)),
    ...stack(group.distribution),
    make("p", { class: "small" }, `How probable each answer is for the group as a whole, not how many faces look so. The faces: ${labels(faces)}.`),
    ...(weighed ? weights(group.contributions, faces, choose) : []),
    termsOf("group"));
}

function labels(faces) {
  const counts = {};
  for (const face of faces) counts[says(face)] = (counts[says(face)] || 0) + 1;
  return Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([name, n]) => `${n} ${name}`).join(", ");
}

function weights(contributions, faces, choose) {
  const heaviest = contributions.map((weight, n) => ({ weight, n })).sort((a, b) => b.weight - a.weight).slice(0, MOST_WEIGHTS);
  return [
    make("h3", { class: "small" }, `Weight of each face${faces.length > MOST_WEIGHTS ? `: the first ${MOST_WEIGHTS} of ${faces.length}` : ""}`),
    make("ul", { class: "bars weights" }, ...heaviest.map(({ weight, n }) =>
      make("li", {},
        make("button", { type: "button", "aria-label": `${faceName(faces[n])}; ${percent(weight)} of the weight`, onclick: () => choose(n) }, String(faces[n].number)),
        make("span", { class: "track" }, make("div", { width: `${weight * 100}%` })),
        make("span", { class: "n" }, percent(weight))))),
    make("p", { class: "small" }, "It says how much a face counts, whatever it shows: neutral ones weigh as well."),
  ];
}

function evokedPanel(result) {
  const evoked = result.evoked;
  if (!evoked || !evoked.distribution) return null;
  const known = typeof evoked.valence === "number" && typeof evoked.arousal === "number";
  return make("section", { class: "card", id: "evoked" },
    make("h2", {}, "The picture evokes in its viewers"),
    make("p", { class: "big" }, make("i", { colour: evoked.label ? colour(evoked.label) : "#b4b4b4" }), says(evoked)),
    meters(evoked, "emotion"),
    make("div", { class: "charts" }, onWheel(evoked.distribution) ? wheel(evoked.distribution) : null, known ? plane(evoked.valence, evoked.arousal) : null),
    known ? make("dl", { class: "meters values" }, value("Valence", evoked.valence, "1 unpleasant, 9 pleasant"), value("Arousal", evoked.arousal, "1 calm, 9 excited")) : null,
    bars(evoked.distribution),
    make("p", { class: "small" }, "Evoked in viewers, not felt by those in it."),
    termsOf("evoked"));
}

function value(name, number, scale) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, number.toFixed(1)), make("dd", { class: "small" }, scale));
}
