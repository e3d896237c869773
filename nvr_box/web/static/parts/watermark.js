// Who looks, and since when, on every revealed picture: strong along the lower edge, faint all over, so that a crop
// still names its viewer and a face stays a face.
export class Watermark {
  constructor(text) {
    this.text = text;
  }

  draw(pen, width, height) {
    if (this.layer?.width !== width || this.layer.height !== height) this.layer = this.made(width, height);
    pen.drawImage(this.layer, 0, 0);
  }

  made(width, height) {
    const layer = document.createElement("canvas");
    layer.width = width;
    layer.height = height;
    const pen = layer.getContext("2d");
    const size = Math.max(10, Math.round(width / 64));
    pen.font = `${size}px sans-serif`;
    const wide = pen.measureText(this.text).width;
    const lines = wide + size <= width ? [this.text] : this.text.split("  ");
    pen.fillStyle = "rgb(255 255 255 / 6%)";
    for (let y = 2 * size, row = 0; y < height; y += 6 * size, row += 1) {
      for (let x = row % 2 ? -wide / 2 : 0; x < width; x += wide + 4 * size) pen.fillText(this.text, x, y);
    }
    const band = Math.round((0.3 + 1.2 * lines.length) * size);
    pen.fillStyle = "rgb(0 0 0 / 55%)";
    pen.fillRect(0, height - band, width, band);
    pen.fillStyle = "rgb(255 255 255 / 85%)";
    for (const [above, line] of lines.reverse().entries()) {
      pen.fillText(line, size / 2, height - (0.4 + 1.2 * above) * size);
    }
    return layer;
  }
}
