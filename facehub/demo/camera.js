// Gradio says nothing where the browser refuses a webcam: this says it in words, in the input that
// asked. CAMERA holds them by the error's name, with "insecure" for a page without https, where
// browsers have no webcam at all, and "other".

let asking = null; // the input whose button was pressed last

function tellCamera(reason) {
  const told = asking?.querySelector(".fh-camera") ?? document.createElement("p");
  told.className = "fh-camera";
  told.setAttribute("role", "alert");
  told.textContent = CAMERA[reason] ?? CAMERA.other;
  asking?.append(told);
}

document.addEventListener(
  "click",
  ({ target }) => {
    asking = target.closest?.(".fh-picture") ?? asking;
    asking?.querySelector(".fh-camera")?.remove();
  },
  true,
);

if (!navigator.mediaDevices) {
  const refuse = () => Promise.reject(new DOMException("", "insecure"));
  const none = { getUserMedia: refuse, enumerateDevices: async () => [] };
  Object.defineProperty(navigator, "mediaDevices", { value: none });
}

const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  try {
    return await ask(wanted);
  } catch (error) {
    tellCamera(error.name);
    throw error;
  }
};
