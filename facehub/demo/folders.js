// Gradio takes files only: a folder dropped on the photos to enrol becomes its pictures, each of
// them named after the folder that it lies in, as in a zip.
let pictureNumber = 0;

async function pictures(entry, folder) {
  if (entry.isDirectory) {
    const reader = entry.createReader();
    const found = [];
    let part;
    do {
      part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      found.push(...part);
    } while (part.length);
    const inside = await Promise.all(found.map((each) => pictures(each, entry.name)));
    return inside.flat();
  }
  const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
  if (folder === null) return [file];
  if (!file.type.startsWith("image/") || file.name.startsWith(".")) return [];
  const suffix = file.name.slice(file.name.lastIndexOf("."));
  return [new File([file], `${folder} ${++pictureNumber}${suffix}`, { type: file.type })];
}

document.addEventListener(
  "drop",
  async (event) => {
    const input = event.target.closest?.("#photos")?.querySelector("input[type=file]");
    const items = [...(event.dataTransfer?.items ?? [])];
    const entries = items.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!input || !entries.some((entry) => entry.isDirectory)) return;
    event.preventDefault();
    event.stopPropagation();
    event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
    const found = await Promise.all(entries.map((entry) => pictures(entry, null)));
    const chosen = new DataTransfer();
    for (const file of found.flat()) chosen.items.add(file);
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  },
  true,
);
