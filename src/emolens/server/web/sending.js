// To the service and back. What is refused for now is sent again when the service says so.
import { by } from "./making.js";

let key = "";
const TRIES = 6;

export class Refused extends Error {
  constructor(detail, status) { super(detail); this.status = status; }
}

// Until the signal comes, if there is one: then nobody wants the answer.
export async function send(path, body, signal) {
  for (let attempt = 1; ; attempt++) {
    const sent = key, response = await ask(path, body, signal);
    if (response.ok) return response;
    const wait = Number(response.headers.get("Retry-After"));
    if (wait && attempt < TRIES) { await new Promise(done => setTimeout(done, wait * 1000)); continue; }
    if (response.status === 401) {
      if (key !== sent || await askForKey()) continue;
      throw new Refused("The service needs its key, and none was given.", 401);
    }
    throw new Refused(await reason(response), response.status);
  }
}

async function ask(path, body, signal) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, { method: "POST", body, headers, signal });
  } catch {
    if (!signal?.aborted && await gone(body)) throw new Refused("The file cannot be read any more: it was moved, changed or deleted since it was chosen. Choose it again.", 410);
    throw new Refused("The service does not answer, or it cut the connection. Is it still running?", 0);
  }
}

// A file that cannot be read makes the browser fail as if the service were not there.
async function gone(body) {
  if (!(body instanceof FormData)) return false;
  try { await body.get("file").slice(0, 1).arrayBuffer(); return false; } catch { return true; }
}

async function reason(response) {
  try { return (await response.json()).detail; } catch { return `The service answered ${response.status}.`; }
}

// Whether one was given; those who ask meanwhile hear the same.
let asking = null;
function askForKey() {
  const lock = by("lock");
  asking ??= new Promise(done => {
    by("lock-wrong").hidden = !key;
    lock.returnValue = ""; // what Escape leaves
    lock.showModal();
    lock.addEventListener("close", () => {
      const given = lock.returnValue === "given";
      if (given) key = by("key").value;
      asking = null;
      done(given);
    }, { once: true });
  });
  return asking;
}
