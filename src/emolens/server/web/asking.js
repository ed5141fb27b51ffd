// One picture, video or address: what is sent for it, and what comes back becomes part of it.
import { Refused, send } from "./sending.js";

let last = 0;

export function itemOf(given) {
  const address = typeof given === "string";
  const name = address ? nameIn(given) : given.name || "pasted picture";
  const film = !address && (given.type.startsWith("video/") || /\.(mp4|m4v|mov|mkv|webm|avi)$/i.test(name));
  return { id: ++last, name, film, given, fetched: null, state: "waiting", shown: address ? null : URL.createObjectURL(given), chosen: 0, forgotten: new AbortController() };
}

function nameIn(address) {
  if (address.startsWith("data:")) return "data URI";
  return address.split(/[?#]/)[0].split("/").pop() || address;
}

export function bodyOf(item) {
  const given = item.fetched || item.given;
  if (typeof given === "string") return JSON.stringify({ source: given });
  const body = new FormData();
  body.append("file", given, item.name);
  return body;
}

export async function analyse(item, limits) {
  item.state = "waiting";
  try {
    check(item, limits);
    if (typeof item.given === "string") show(item, item.fetched ??= await plain(item));
    item.answer = await (await send(`${item.film ? "/v1/video" : "/v1/analyze"}?csv=true`, bodyOf(item), item.forgotten.signal)).json();
    item.result = item.film ? null : item.answer.results[0];
    if (!item.film && !(await canBeShown(item))) show(item, await plain(item));
    item.state = "done";
  } catch (error) {
    item.state = "trouble";
    item.message = error.message;
    item.refusal = error.status || 0;
    item.again = [0, 401, 408].includes(item.refusal) || item.refusal >= 429;
  }
}

function check(item, limits) {
  const most = item.film ? limits.request_bytes : Math.min(limits.max_bytes, limits.request_bytes);
  if (item.given.size > most) throw new Refused(`It has ${size(item.given.size)}, at most ${size(most)} are taken. Give a smaller one.`, 413);
}

const size = bytes => (bytes < 2 ** 20 ? `${Math.round(bytes / 2 ** 10)} KiB` : `${(bytes / 2 ** 20).toFixed(bytes % 2 ** 20 ? 1 : 0)} MiB`);

// At the size of which the boxes are: a browser may not read a format, or not turn it as its EXIF data say.
async function canBeShown(item) {
  const picture = new Image();
  picture.src = item.shown;
  try { await picture.decode(); } catch { return false; }
  return picture.naturalWidth === item.result.size[0] && picture.naturalHeight === item.result.size[1];
}

// What a browser does not show or may not ask for, upright and as JPEG. An address is asked but this once, and what came
// is judged, shown, mapped and exported: another time it might give another picture.
async function plain(item) {
  return (await send("/v1/annotate?plain=true", bodyOf(item), item.forgotten.signal)).blob();
}

function show(item, blob) {
  if (item.shown) URL.revokeObjectURL(item.shown);
  item.shown = URL.createObjectURL(blob);
}

// Also what is still on its way: the service then stops its work on it.
export function forget(item) {
  item.forgotten.abort();
  if (item.shown) URL.revokeObjectURL(item.shown);
}
