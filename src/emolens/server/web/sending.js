// To the service and back. What is refused for now is sent again when the service says so.
import { by } from "./making.js";

let key = "";
const TRIES = 6;

export class Refused extends Error {
  constructor(detail, status) { super(detail); this.status = status; }
}

export async function send(path, body) {
  for (let attempt = 1; ; attempt++) {
    const response = await ask(path, body);
    if (response.ok) return response;
    const wait = Number(response.headers.get("Retry-After"));
    if (wait && attempt < TRIES) { await new Promise(done => setTimeout(done, wait * 1000)); continue; }
    if (response.status === 401) { await askForKey(); continue; }
    throw new Refused(await reason(response), response.status);
  }
}

async function ask(path, body) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, { method: "POST", body, headers });
  } catch {
    throw new Refused("The service does not answer, or it cut the connection. Is it still running?", 0);
  }
}

async function reason(response) {
  try { return (await response.json()).detail; } catch { return `The service answered ${response.status}.`; }
}

let asking = null;
function askForKey() {
  asking ??= new Promise(done => {
    by("lock").showModal();
    by("lock").addEventListener("close", () => { key = by("key").value; asking = null; done(); }, { once: true });
  });
  return asking;
}
