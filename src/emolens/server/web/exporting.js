// Files out of what is shown. Tables come from the service, so that they are the ones of the command line.
import { bodyOf } from "./asking.js";
import { by, make } from "./making.js";
import { send } from "./sending.js";

const SCHEMA_VERSION = 1; // of emolens.tables

export function exportFrom(items, current, tell) {
  by("csv").addEventListener("click", () => save(csv(items()), "emolens.csv", "text/csv"));
  by("json").addEventListener("click", () => {
    const found = items().map(item => (item.state === "trouble" ? failed(item) : item.result || item.answer.summary));
    save(`${JSON.stringify(found, null, 2)}\n`, "emolens.json", "application/json");
  });
  by("annotated").addEventListener("click", async () => {
    const item = current(), button = by("annotated");
    button.disabled = true;
    try {
      const blob = await (await send("/v1/annotate", bodyOf(item))).blob();
      save(blob, `${item.name.replace(/\.[^.]*$/, "")}_annotated.${blob.type === "image/png" ? "png" : "jpg"}`);
    } catch (error) { tell(error.message); } finally { button.disabled = false; }
  });
}

// Whole or not at all: a table of those that happen to be done would look like one of all.
export function offerTables(items) {
  const waiting = items.filter(item => item.state === "waiting").length, trouble = items.filter(item => item.state === "trouble").length;
  by("csv").disabled = by("json").disabled = waiting > 0 || trouble === items.length;
  by("rest").textContent = waiting ? (items.length > 1 ? `The tables come when all are answered: ${waiting} of ${items.length} to go.` : "")
    : trouble && trouble < items.length ? `${trouble} of ${items.length} not analysed; the tables have a row for each of them too, with its status.` : "";
}

function csv(items) {
  const table = items.find(item => item.answer?.csv).answer.csv, header = table.slice(0, table.indexOf("\n") + 1);
  return header + items.map(item => (item.state === "trouble" ? failedRow(item, header.trimEnd().split(",")) : item.answer.csv.slice(header.length))).join("");
}

// As emolens.tables and emolens.writers have them: what could not be read is a row with a status, too.
function failedRow(item, columns) {
  const { source, status, schema_version } = failed(item);
  const row = { source: /^[=+\-@\t\r]/.test(source) ? `./${source}` : source, target: "image", status, schema_version };
  return `${columns.map(name => quoted(String(row[name] ?? ""))).join(",")}\n`;
}

const quoted = text => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function failed(item) {
  return {
    source: item.name, status: statusOf(item), message: item.message, size: [0, 0], detector: "", faces: [],
    group: null, evoked: null, stimuli: null, models: {}, schema_version: SCHEMA_VERSION,
  };
}

// A refusal has an HTTP status, a row one of emolens.errors; `not_analysed` is where nobody looked at it: no key, no time.
function statusOf({ refusal, message, given }) {
  if (refusal === 410) return "not_found";
  if (refusal === 413) return "too_large";
  if (![415, 422].includes(refusal)) return "not_analysed";
  if (message.includes("needed on each side")) return "too_small";
  return typeof given === "string" && refusal === 422 && !/cannot be decoded|0 bytes/.test(message) ? "fetch_failed" : "unreadable";
}

function save(content, name, type) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
