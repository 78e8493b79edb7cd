// Gradio takes files only: a folder dropped on photos to enrol or to group becomes its pictures and
// zips. A picture's name tells the folder that it lies in, whom it shows, as in a zip. SLASH stands
// there for "/", which no file's name may hold; SUFFIXES are those of pictures. DROPS names the
// inputs, and for each the notice that nothing was of use.

async function usable(entry, folder) {
  try {
    if (folder !== null && /^(\.|__)/.test(entry.name)) return [];
    if (entry.isDirectory) {
      const reader = entry.createReader();
      const found = [];
      let part;
      do {
        part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        found.push(...part);
      } while (part.length);
      const inside = await Promise.all(found.map((each) => usable(each, entry.name)));
      return inside.flat();
    }
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (folder === null || /\.zip$/i.test(file.name)) return [file];
    if (!SUFFIXES.some((suffix) => file.name.toLowerCase().endsWith(suffix))) return [];
    return [new File([file], folder + SLASH + file.name, { type: file.type })];
  } catch {
    return []; // it cannot be read; the rest of the drop can
  }
}

// While files are on their way, Gradio takes its input off the page: what is dropped then waits.
let given = Promise.resolve();

async function give(zone, files) {
  let input;
  while (!(input = document.querySelector(`#${zone} input[type=file]`))) await pause();
  const chosen = new DataTransfer();
  for (const file of files) chosen.items.add(file);
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  await pause();
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 100));

const zoneAt = (target) => Object.keys(DROPS).find((zone) => target.closest?.(`#${zone}`));

// A drop beside Gradio's own zone would leave the page, and its list of files refuses drops.
document.addEventListener(
  "dragover",
  (event) => {
    if (!zoneAt(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);

document.addEventListener(
  "drop",
  async (event) => {
    const zone = zoneAt(event.target);
    if (!zone) return;
    event.preventDefault();
    event.stopPropagation();
    event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
    const items = [...(event.dataTransfer?.items ?? [])];
    const entries = items.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const found = (await Promise.all(entries.map((entry) => usable(entry, null)))).flat();
    document.querySelector(`#${DROPS[zone]} .fh-card`).hidden = found.length > 0;
    if (found.length) given = given.then(() => give(zone, found));
  },
  true,
);
