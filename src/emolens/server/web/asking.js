// One picture, video or address: what is sent for it, and what comes back becomes part of it.
import { send } from "./sending.js";

let last = 0;

export function itemOf(given) {
  const address = typeof given === "string";
  const name = address ? given.split(/[?#]/)[0].split("/").pop() || given : given.name || "pasted picture";
  const film = !address && (given.type.startsWith("video/") || /\.(mp4|m4v|mov|mkv|webm|avi)$/i.test(name));
  return { id: ++last, name, film, given, state: "waiting", shown: address ? null : URL.createObjectURL(given), drawn: address, chosen: 0, forgotten: new AbortController() };
}

export function bodyOf(item) {
  if (typeof item.given === "string") return JSON.stringify({ source: item.given });
  const body = new FormData();
  body.append("file", item.given, item.name);
  return body;
}

export async function analyse(item, limits) {
  item.state = "waiting";
  try {
    check(item, limits);
    item.answer = await (await send(`${item.film ? "/v1/video" : "/v1/analyze"}?csv=true`, bodyOf(item), item.forgotten.signal)).json();
    item.result = item.film ? null : item.answer.results[0];
    if (!item.film && !(await canBeShown(item))) await drawn(item);
    item.state = "done";
  } catch (error) {
    item.state = "trouble";
    item.message = error.message;
    item.again = !error.status || error.status === 401 || error.status >= 429;
  }
}

function check(item, limits) {
  const most = item.film ? limits.request_bytes : limits.max_bytes;
  const error = new Error(`It has ${(item.given.size / 2 ** 20).toFixed(1)} MiB, at most ${Math.round(most / 2 ** 20)} MiB are taken. Give a smaller one.`);
  error.status = 413;
  if (item.given.size > most) throw error;
}

async function canBeShown(item) {
  if (!item.shown) return false;
  const picture = new Image();
  picture.src = item.shown;
  try { await picture.decode(); return true; } catch { return false; }
}

// A format that browsers do not show, or an address that this page may not ask: the service draws it.
async function drawn(item) {
  const blob = await (await send("/v1/annotate", bodyOf(item), item.forgotten.signal)).blob();
  item.drawn = true;
  item.shown = URL.createObjectURL(blob);
}

// Also what is still on its way: the service then stops its work on it.
export function forget(item) {
  item.forgotten.abort();
  if (item.shown) URL.revokeObjectURL(item.shown);
}
