// Gradio does not tell screen readers whether an accordion is open: this does.

const tellOpen = () => {
  for (const button of document.querySelectorAll("button.label-wrap")) {
    const open = String(button.classList.contains("open"));
    if (button.ariaExpanded !== open) button.ariaExpanded = open;
  }
};

new MutationObserver(tellOpen).observe(document, {
  attributeFilter: ["class"],
  childList: true,
  subtree: true,
});
