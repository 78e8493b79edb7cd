// Draws the searched picture with its boxes and names, and saves it: the browser has the fonts for
// every name, and the server keeps no file. DOWNLOADED is the file's name.

async function annotated(photo) {
  const picture = photo.querySelector("img");
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0);
  const line = Math.max(2, canvas.width / 300);
  const size = Math.max(12, canvas.width / 45);
  pen.font = `${size}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  for (const box of photo.querySelectorAll(".fh-box")) {
    const part = (side, whole) => (parseFloat(box.style[side]) / 100) * whole;
    const [x, y] = [part("left", canvas.width), part("top", canvas.height)];
    const [width, height] = [part("width", canvas.width), part("height", canvas.height)];
    const label = box.querySelector("span");
    pen.lineWidth = line;
    pen.strokeStyle = getComputedStyle(box).borderTopColor;
    pen.setLineDash(getComputedStyle(box).borderTopStyle === "dashed" ? [3 * line, 2 * line] : []);
    pen.strokeRect(x, y, width, height);
    const tall = 1.4 * size;
    const wide = pen.measureText(label.textContent).width + size / 2;
    const left = Math.min(Math.max(x, 0), Math.max(canvas.width - wide, 0));
    const top = y < tall ? Math.max(y, 0) : y - tall;
    pen.fillStyle = getComputedStyle(label).backgroundColor;
    pen.fillRect(left, top, wide, tall);
    pen.fillStyle = getComputedStyle(label).color;
    pen.fillText(label.textContent, left + size / 4, top + tall / 2);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}

document.addEventListener("click", async ({ target }) => {
  const photo = target.closest?.(".fh-download-picture") && document.querySelector("#faces .fh-photo");
  if (!photo) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await annotated(photo));
  link.download = DOWNLOADED;
  link.click();
  URL.revokeObjectURL(link.href);
});
