// What in the picture evokes what it evokes: a map laid over it, as strong as wanted, of the whole answer or one emotion.
import { bodyOf } from "./asking.js";
import { make, percent } from "./making.js";
import { send } from "./sending.js";

// As emolens.drawing.heat has it: lighter the more weight.
const SCALE = [[12, 12, 38], [78, 18, 102], [178, 44, 92], [242, 106, 52], [252, 196, 72], [252, 250, 200]];
const WHOLE = "the whole answer";

export function heatPanel(item, redraw) {
  const heat = item.heat ??= { state: "none", opacity: 0.7, chosen: WHOLE };
  const card = make("section", { class: "card", id: "stimuli" }, make("h2", {}, "What in the picture evokes that"));
  if (heat.state === "ready") card.append(...controls(heat));
  else {
    const ask = () => { if (heat.state !== "waiting") load(item, heat, redraw); };
    const words = { none: "Show the map", waiting: "Looking…", trouble: "Try again" }[heat.state];
    const button = make("button", { type: "button", id: "heat-show", onclick: ask, "aria-disabled": heat.state === "waiting" && "true" }, words);
    card.append(make("div", { class: "actions" }, button)); // not `disabled`, which would throw off the keyboard's focus
    if (heat.state === "trouble") card.append(make("p", { class: "trouble", role: "alert" }, heat.message));
  }
  return card;
}

async function load(item, heat, redraw) {
  heat.state = "waiting";
  redraw();
  try {
    const answer = await (await send("/v1/analyze?task=stimuli", bodyOf(item), item.forgotten.signal)).json();
    const told = answer.results[0].stimuli;
    heat.agreement = told.agreement;
    heat.maps = { [WHOLE]: told.map, ...told.maps };
    heat.painted = Object.fromEntries(await Promise.all(Object.entries(heat.maps).map(async ([name, data]) => [name, await painted(data)])));
    heat.state = "ready";
  } catch (error) {
    heat.state = "trouble";
    heat.message = error.message;
  }
  redraw();
}

function controls(heat) {
  const slider = make("input", { type: "range", id: "opacity", min: 0, max: 100, step: 5, value: Math.round(heat.opacity * 100) });
  const shown = make("output", { for: "opacity", id: "opacity-shown" });
  const choice = make("select", { id: "condition" }, ...Object.keys(heat.maps).map(name => make("option", { value: name, selected: name === heat.chosen }, name)));
  const apply = () => {
    heat.opacity = slider.value / 100;
    heat.chosen = choice.value;
    shown.textContent = percent(heat.opacity);
    slider.setAttribute("aria-valuetext", percent(heat.opacity));
    const old = document.querySelector("#stage .heat");
    old?.replaceWith(heatOver({ heat }));
  };
  slider.addEventListener("input", apply);
  choice.addEventListener("change", apply);
  apply();
  const one = heat.agreement > 0.95 ? "The maps of the emotions are one map: " : "The maps of the emotions ";
  const agree = typeof heat.agreement === "number" ? `${one}they correlate by ${heat.agreement.toFixed(2)} on average.`.replace("emotions they", "emotions") : "";
  return [
    make("div", { class: "heat-row" }, make("label", { for: "opacity" }, "Opacity"), slider, shown),
    Object.keys(heat.maps).length > 1 ? make("div", { class: "heat-row" }, make("label", { for: "condition" }, "Map of"), choice) : null,
    make("div", { class: "heat-scale", "aria-hidden": "true" }),
    make("p", { class: "small" }, `Light: most of the model's evidence. Not where people look, and no proof of a cause. ${agree}`),
  ].filter(Boolean);
}

// The layer over the picture; nothing where no map is there.
export function heatOver(item) {
  const heat = item.heat;
  if (heat?.state !== "ready") return null;
  const layer = heat.painted[heat.chosen];
  layer.setAttribute("aria-label", `Map of ${heat.chosen}, opacity ${percent(heat.opacity)}`);
  layer.style.opacity = heat.opacity;
  return layer;
}

async function painted(data) {
  const picture = new Image();
  picture.src = data;
  await picture.decode();
  const layer = make("canvas", { class: "heat", role: "img", width: null });
  [layer.width, layer.height] = [picture.naturalWidth, picture.naturalHeight];
  const pen = layer.getContext("2d");
  pen.drawImage(picture, 0, 0);
  const pixels = pen.getImageData(0, 0, layer.width, layer.height), levels = pixels.data;
  for (let at = 0; at < levels.length; at += 4) {
    const weight = levels[at], [red, green, blue] = colourAt(weight / 255);
    [levels[at], levels[at + 1], levels[at + 2], levels[at + 3]] = [red, green, blue, weight];
  }
  pen.putImageData(pixels, 0, 0);
  return layer;
}

function colourAt(weight) {
  const place = weight * (SCALE.length - 1), low = Math.min(SCALE.length - 2, Math.floor(place)), share = place - low;
  return SCALE[low].map((value, channel) => Math.round(value + share * (SCALE[low + 1][channel] - value)));
}
