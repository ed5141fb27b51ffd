// How pictures come in: dropped, pasted, chosen, taken, or fetched from an address by the service.
import { by } from "./making.js";

export function takeIn(add, facts, tell) {
  const addLinks = found => (facts.urls ? add(found) : tell("This service fetches no links. Save the picture and give its file."));
  by("pick").addEventListener("click", () => by("files").click());
  by("files").addEventListener("change", () => { add([...by("files").files]); by("files").value = ""; });
  document.addEventListener("paste", event => {
    const files = [...event.clipboardData.files];
    const found = event.target.matches?.("input") ? [] : links(event.clipboardData.getData("text/plain"));
    if (files.length) { event.preventDefault(); add(files); } else if (found.length) addLinks(found);
  });
  takeDrops(add, addLinks, tell);
  takePhotos(add, facts.stays);
  by("address").hidden = !facts.urls;
  by("address").addEventListener("submit", event => {
    event.preventDefault();
    add([by("url").value.trim()]);
    by("url").value = "";
  });
}

const links = text => text.split(/[\r\n]+/).map(line => line.trim()).filter(line => /^https?:\/\/\S+$/i.test(line));

function takeDrops(add, addLinks, tell) {
  let depth = 0; // dragenter and dragleave come for every element on the way
  const over = by => { depth = Math.max(0, depth + by); document.body.classList.toggle("over", depth > 0); };
  document.addEventListener("dragenter", () => over(1));
  document.addEventListener("dragleave", () => over(-1));
  document.addEventListener("dragover", event => event.preventDefault());
  document.addEventListener("drop", event => {
    event.preventDefault();
    depth = 0;
    over(0);
    const given = event.dataTransfer, found = links(given.getData("text/uri-list") || given.getData("text/plain"));
    if (given.files.length) add([...given.files]);
    else if (found.length) addLinks(found);
    else tell("That is neither a file nor a link. Drop photos or a short video.");
  });
}

const CAMERA = {
  NotAllowedError: "The camera was not allowed. Allow it for this page in the browser's settings, or choose a file.",
  NotFoundError: "No camera was found. Connect one, or choose a file.",
  NotReadableError: "The camera gives no picture; another program may be using it. Close that, or choose a file.",
};

function takePhotos(add, stays) {
  const lens = by("lens"), viewer = by("viewer");
  let stream = null;
  const stop = () => { stream?.getTracks().forEach(track => track.stop()); stream = null; viewer.srcObject = null; };
  const show = open => { viewer.hidden = by("lens-take").hidden = !open; by("lens-start").hidden = open; };
  by("lens-text").textContent = `Your browser will ask for permission. Only the photo that you take is analysed. ${stays}`;
  by("camera").addEventListener("click", () => { show(false); by("lens-error").hidden = true; lens.showModal(); });
  by("lens-close").addEventListener("click", () => lens.close());
  lens.addEventListener("close", stop);
  by("lens-start").addEventListener("click", async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } }, audio: false });
      if (!lens.open) return stop();
      viewer.srcObject = stream;
      show(true);
      by("lens-take").focus();
    } catch (error) {
      by("lens-error").hidden = false;
      by("lens-error").textContent = navigator.mediaDevices ? CAMERA[error.name] || `The camera cannot be opened (${error.name}). Choose a file.`
        : "Browsers give the camera to pages of this machine and of https only. Choose a file.";
    }
  });
  by("lens-take").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [viewer.videoWidth, viewer.videoHeight];
    canvas.getContext("2d").drawImage(viewer, 0, 0);
    canvas.toBlob(blob => add([new File([blob], "camera.jpg", { type: "image/jpeg" })]), "image/jpeg", 0.95);
    lens.close();
  });
}
