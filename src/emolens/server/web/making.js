// Elements, made without a single string of markup: nothing that a file name or a server says can become code.
const SVG = "http://www.w3.org/2000/svg";

export function make(tag, set = {}, ...inside) {
  return filled(document.createElement(tag), set, inside);
}

export function draw(tag, set = {}, ...inside) {
  return filled(document.createElementNS(SVG, tag), set, inside);
}

function filled(element, set, inside) {
  for (const [name, value] of Object.entries(set)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "colour") {
      element.style.setProperty("--c", value);
      element.style.setProperty("--k", inkOn(value));
    }
    else if (name === "width" && element instanceof HTMLElement) element.style.width = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside.filter(one => one !== null && one !== undefined));
  return element;
}

export const by = id => document.getElementById(id);
export const percent = value => `${Math.round(value * 100)} %`;

// Dark or light, whichever reads better on a colour (Rec. 601 luma), as emolens.drawing has it.
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map(n => parseInt(colour.slice(n, n + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 120 ? "#16181b" : "#fff";
}
