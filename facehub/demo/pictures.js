// Gradio's picture inputs offer every kind of image; this script limits them to SUFFIXES, which
// facehub reads. Browsers give no type to files that they do not know, such as HEIC, and Gradio
// refuses files without a type: a file whose name has one of the suffixes gets one.

const PICTURE = 'input[type=file]:is([accept="image/*"], [data-pictures])';

const offer = () => {
  for (const input of document.querySelectorAll('input[type=file][accept="image/*"]')) {
    input.dataset.pictures = "";
    input.accept = SUFFIXES.join();
  }
};

const isUntyped = (file) =>
  !file.type.startsWith("image/") &&
  SUFFIXES.some((suffix) => file.name.toLowerCase().endsWith(suffix));

function typed(files) {
  const given = new DataTransfer();
  for (const file of files)
    given.items.add(
      isUntyped(file) ? new File([file], file.name, { type: "image/unknown" }) : file,
    );
  return given.files;
}

new MutationObserver(offer).observe(document, {
  attributeFilter: ["accept"],
  childList: true,
  subtree: true,
});

// Both listeners run before those of Gradio.
document.addEventListener(
  "change",
  ({ target }) => {
    if (target.matches?.(PICTURE) && [...target.files].some(isUntyped))
      target.files = typed(target.files);
  },
  true,
);

document.addEventListener(
  "drop",
  (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    const input = event.target.closest?.(".block")?.querySelector(PICTURE);
    if (!input || !files.some(isUntyped)) return;
    event.preventDefault();
    event.stopPropagation();
    event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
    input.files = typed(files);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  },
  true,
);
