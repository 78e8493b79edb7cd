// Asks before people are removed from the gallery. CONFIRM holds the questions.
function refuse(event, question) {
  if (window.confirm(question)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.target.type === "file") event.target.value = "";
  const leave = new DragEvent("dragleave", { bubbles: true });
  if (event.type === "drop") event.target.dispatchEvent(leave);
}

function askAt(kind, selector, question, asks = () => true) {
  const ask = (event) => {
    if (event.target.closest?.(selector) && asks()) refuse(event, question);
  };
  document.addEventListener(kind, ask, true); // before Gradio's listeners
}

const somebody = () => document.querySelector("#wall .fh-person") !== null;
askAt("click", "#delete", CONFIRM.delete);
askAt("click", "#identify-example", CONFIRM.replace, somebody);
askAt("change", "#gallery-file input[type=file]", CONFIRM.replace);
askAt("drop", "#gallery-file", CONFIRM.replace);
