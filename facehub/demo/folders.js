// Gradio takes files only. This script turns a folder that is dropped on an input for photos into the
// pictures and zips in it. A picture's name keeps its folders, which name the person, as in a zip:
// SLASH replaces "/", which a file name cannot hold. SUFFIXES are those of pictures. DROPS names the
// inputs and the notice of each, DROPPED holds the words of the notices, and SYSTEM_NAMES the files
// that operating systems create.

const LEFT_OUT_NAMED = 20;

async function usable(entry, folders, leftOut) {
  const path = [...folders, entry.name].join("/");
  try {
    if (folders.length && (entry.name.startsWith(".") || SYSTEM_NAMES.includes(entry.name))) {
      leftOut.push(path + (entry.isDirectory ? "/" : ""));
      return [];
    }
    if (entry.isDirectory) {
      const reader = entry.createReader();
      const found = [];
      let part;
      do {
        part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        found.push(...part);
      } while (part.length);
      const inside = [...folders, entry.name];
      return (await Promise.all(found.map((each) => usable(each, inside, leftOut)))).flat();
    }
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (!folders.length || /\.zip$/i.test(file.name)) return [file];
    if (!SUFFIXES.some((suffix) => file.name.toLowerCase().endsWith(suffix))) {
      leftOut.push(path);
      return [];
    }
    return [new File([file], [...folders, file.name].join(SLASH), { type: file.type })];
  } catch {
    leftOut.push(path); // this one cannot be read; others may be
    return [];
  }
}

function tell(zone, found, leftOut) {
  const card = document.querySelector(`#${DROPS[zone]} .fh-card`);
  const named = leftOut.slice(0, LEFT_OUT_NAMED).join(", ");
  const names = leftOut.length > LEFT_OUT_NAMED ? `${named}, \u2026` : named;
  const lines = found.length ? [] : [DROPPED.none];
  if (leftOut.length) {
    lines.push(DROPPED.leftOut.replace("{count}", leftOut.length).replace("{names}", () => names));
  }
  card.textContent = lines.join(" ");
  card.hidden = !lines.length;
}

// Gradio removes its input from the page during an upload: later drops wait.
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

// A drop beside Gradio's own zone would leave the page, and its list of files takes no drops.
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
    const leftOut = [];
    const found = (await Promise.all(entries.map((each) => usable(each, [], leftOut)))).flat();
    tell(zone, found, leftOut.sort());
    if (found.length) given = given.then(() => give(zone, found));
  },
  true,
);
