// Gradio's inputs for a picture offer every kind of image: these offer what is read. SUFFIXES are
// those of pictures.

const offer = () => {
  for (const input of document.querySelectorAll('input[type=file][accept="image/*"]'))
    input.accept = SUFFIXES.join();
};

new MutationObserver(offer).observe(document, {
  attributeFilter: ["accept"],
  childList: true,
  subtree: true,
});
