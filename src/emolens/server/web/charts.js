// A distribution as bars, as one stacked bar, as a wheel; valence and arousal as a point on a plane.
import { draw, make, percent } from "./making.js";

let colours = {};
export const learnColours = given => { colours = given; };
export const colour = name => colours[name] || "#a0a0a0";

const sorted = distribution => Object.entries(distribution).sort((a, b) => b[1] - a[1]);

export function bars(distribution) {
  return make("ul", { class: "bars" }, ...sorted(distribution).map(([name, share], place) =>
    make("li", { class: place ? null : "first" },
      make("span", {}, name),
      make("span", { class: "track" }, make("div", { colour: colour(name), width: `${share * 100}%` })),
      make("span", { class: "n" }, percent(share)))));
}

export function stack(distribution) {
  const parts = Object.entries(distribution);
  return [
    make("div", { class: "stack", "aria-hidden": "true" }, ...parts.map(([name, share]) => make("div", { colour: colour(name), width: `${share * 100}%` }))),
    make("div", { class: "key" }, ...parts.map(([name, share]) => make("span", {}, make("i", { colour: colour(name) }), `${name} ${percent(share)}`))),
  ];
}

export function meter(name, value, hint) {
  return make("div", { title: hint }, make("dt", {}, name), make("dd", {}, percent(value)),
    make("div", { class: "track", "aria-hidden": "true" }, make("div", { width: `${value * 100}%` })));
}

// As emolens.wheel and emolens.drawing.evoked_chart have it: eight places clockwise on Mikels' circle, two of them also for
// happiness and surprise; neutral, which has none, in the middle. A full sector and the full disc have one area.
const WHEEL = ["fear", "sadness", "disgust", "anger", "amusement", "contentment", "awe", "excitement"];
const STAND_INS = { happiness: "amusement", surprise: "awe" };
const RADIUS = 92, HUB = RADIUS / 3;

export const onWheel = distribution => Object.keys(distribution).every(name => name === "neutral" || WHEEL.includes(STAND_INS[name] || name));

export function wheel(distribution) {
  const holder = Object.fromEntries(Object.keys(distribution).map(name => [STAND_INS[name] || name, name]));
  const reach = share => Math.sqrt(HUB ** 2 + share * (RADIUS ** 2 - HUB ** 2));
  const rings = [0.25, 0.5, 1].map(share => draw("circle", { class: "grid", r: reach(share) }));
  const places = WHEEL.flatMap((place, n) => {
    const name = holder[place], angle = n * Math.PI / 4, x = (RADIUS + 9) * Math.sin(angle), y = -(RADIUS + 9) * Math.cos(angle);
    const words = draw("text", { class: name ? null : "dim", x, y: y + 4, "text-anchor": Math.abs(x) < 12 ? "middle" : x > 0 ? "start" : "end" }, name || place);
    return name ? [draw("path", { class: "petal", fill: colour(name), d: sector(angle, reach(distribution[name])) }), words] : [words];
  });
  const middle = [draw("circle", { class: "grid", r: HUB })];
  if ("neutral" in distribution) middle.push(draw("circle", { fill: colour("neutral"), r: HUB * Math.sqrt(distribution.neutral) }));
  const told = sorted(distribution).map(([name, share]) => `${name} ${percent(share)}`).join(", ");
  return draw("svg", { class: "wheel", viewBox: "-170 -118 340 236", role: "img", "aria-label": `Emotion wheel: ${told}` }, ...rings, ...places, ...middle);
}

function sector(angle, radius) {
  const at = (r, a) => `${r * Math.sin(a)},${-r * Math.cos(a)}`, [a, b] = [angle - Math.PI / 8, angle + Math.PI / 8];
  return `M${at(HUB, a)}L${at(radius, a)}A${radius},${radius} 0 0 1 ${at(radius, b)}L${at(HUB, b)}A${HUB},${HUB} 0 0 0 ${at(HUB, a)}Z`;
}

export function plane(valence, arousal) {
  const x = value => (value - 1) / 8 * 120; // both are in 1 to 9, 5 is neither
  const told = `Valence ${valence.toFixed(1)}, arousal ${arousal.toFixed(1)}, each from 1 to 9`;
  const text = (tx, ty, anchor, words) => draw("text", { class: "dim", x: tx, y: ty, "text-anchor": anchor }, words);
  return draw("svg", { viewBox: "-20 -22 160 164", role: "img", "aria-label": told },
    draw("rect", { class: "grid", width: 120, height: 120, rx: 6 }),
    draw("path", { class: "grid", d: "M60,0V120M0,60H120" }),
    text(60, -7, "middle", "excited"), text(60, 134, "middle", "calm"),
    draw("g", { transform: "rotate(-90 -7 60)" }, text(-7, 60, "middle", "unpleasant")),
    draw("g", { transform: "rotate(90 127 60)" }, text(127, 60, "middle", "pleasant")),
    draw("circle", { class: "dot", cx: x(valence), cy: 120 - x(arousal), r: 7 }));
}
