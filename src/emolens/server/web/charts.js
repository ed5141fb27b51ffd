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

// Clockwise as on Mikels' wheel; joy and surprise stand where amusement and awe do.
const WHEEL = ["fear", "sadness", "disgust", "anger", "amusement", "happiness", "contentment", "awe", "surprise", "excitement"];

export function wheel(distribution) {
  const names = Object.keys(distribution).filter(name => name !== "neutral");
  const place = name => (WHEEL.includes(name) ? WHEEL.indexOf(name) : WHEEL.length);
  names.sort((a, b) => place(a) - place(b));
  const R = 92, hole = 17, turn = 2 * Math.PI / names.length;
  const at = (radius, angle) => [radius * Math.sin(angle), -radius * Math.cos(angle)];
  const petals = names.flatMap((name, n) => {
    // The area of a petal, not its length, is its share: the eye compares areas.
    const radius = Math.sqrt(hole ** 2 + distribution[name] * (R ** 2 - hole ** 2));
    const [a, b] = [(n - 0.5) * turn, (n + 0.5) * turn], wide = turn > Math.PI ? 1 : 0;
    const [x1, y1] = at(radius, a), [x2, y2] = at(radius, b), [x3, y3] = at(hole, b), [x4, y4] = at(hole, a);
    const [tx, ty] = at(R + 10, n * turn);
    return [
      draw("path", { class: "petal", fill: colour(name), d: `M${x4},${y4}L${x1},${y1}A${radius},${radius} 0 ${wide} 1 ${x2},${y2}L${x3},${y3}A${hole},${hole} 0 ${wide} 0 ${x4},${y4}Z` }),
      draw("text", { x: tx, y: ty + 4, "text-anchor": Math.abs(tx) < 12 ? "middle" : tx > 0 ? "start" : "end" }, name),
    ];
  });
  const rings = [0.25, 0.5, 1].map(share => draw("circle", { class: "grid", r: Math.sqrt(hole ** 2 + share * (R ** 2 - hole ** 2)) }));
  const middle = "neutral" in distribution
    ? [draw("circle", { r: hole - 2, fill: colour("neutral"), opacity: 0.25 + 0.75 * distribution.neutral })] : [];
  const told = sorted(distribution).map(([name, share]) => `${name} ${percent(share)}`).join(", ");
  return draw("svg", { viewBox: "-165 -118 330 236", role: "img", "aria-label": `Emotion wheel: ${told}` }, ...rings, ...petals, ...middle);
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
