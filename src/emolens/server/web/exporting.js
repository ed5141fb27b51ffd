// Files out of what is shown. Tables come from the service, so that they are the ones of the command line.
import { bodyOf } from "./asking.js";
import { by, make } from "./making.js";
import { send } from "./sending.js";

export function exportFrom(items, current, say) {
  by("csv").addEventListener("click", () => save(csv(items()), "emolens.csv", "text/csv"));
  by("json").addEventListener("click", () => {
    const found = items().map(item => item.result || item.answer?.summary).filter(Boolean);
    save(`${JSON.stringify(found, null, 2)}\n`, "emolens.json", "application/json");
  });
  by("annotated").addEventListener("click", async () => {
    const item = current(), button = by("annotated");
    button.disabled = true;
    try {
      const blob = await (await send("/v1/annotate", bodyOf(item))).blob();
      save(blob, `${item.name.replace(/\.[^.]*$/, "")}_annotated.${blob.type === "image/png" ? "png" : "jpg"}`);
    } catch (error) { say(error.message); } finally { button.disabled = false; }
  });
}

function csv(items) {
  const tables = items.map(item => item.answer?.csv).filter(Boolean);
  const line = text => text.indexOf("\n") + 1;
  return tables.map((text, n) => (n ? text.slice(line(text)) : text)).join("");
}

function save(content, name, type) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
