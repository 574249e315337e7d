// The numbers of a drawing, as MNIST was made: the ink fits into 20/28 of the image, its centre of mass in the middle.
const SCAN = 280; // pixels a side in which the ink is measured

function canvas(width, height) {
  const element = Object.assign(document.createElement("canvas"), { width, height });
  return [element, element.getContext("2d", { willReadFrequently: true })];
}

function measureInk({ data }) {
  let left = SCAN, right = 0, top = SCAN, bottom = 0, mass = 0, x = 0, y = 0;
  for (let at = 0; at < SCAN * SCAN; at++) {
    const ink = data[4 * at + 3];
    if (!ink) continue;
    const column = at % SCAN, row = (at - column) / SCAN;
    left = Math.min(left, column); right = Math.max(right, column + 1);
    top = Math.min(top, row); bottom = Math.max(bottom, row + 1);
    mass += ink; x += ink * column; y += ink * row;
  }
  return { left, top, width: right - left, height: bottom - top, x: x / mass, y: y / mass };
}

// Halves a canvas until it is at most `size` a side, so that no ink falls between the pixels.
function halved(source, width, height, size) {
  while (Math.max(width, height) > 2 * size) {
    const [half, context] = canvas(Math.ceil(width / 2), Math.ceil(height / 2));
    context.drawImage(source, 0, 0, width, height, 0, 0, half.width, half.height);
    [source, width, height] = [half, half.width, half.height];
  }
  return source;
}

function normalizedNumbers(paper, [rows, columns]) {
  const [scan, pen] = canvas(SCAN, SCAN);
  pen.drawImage(paper, 0, 0, SCAN, SCAN);
  const ink = measureInk(pen.getImageData(0, 0, SCAN, SCAN));
  const size = 20 / 28 * Math.min(rows, columns), scale = size / Math.max(ink.width, ink.height);
  const [cut, scissors] = canvas(ink.width, ink.height);
  scissors.drawImage(scan, -ink.left, -ink.top);
  const source = halved(cut, ink.width, ink.height, size);
  const [small, context] = canvas(columns, rows);
  context.drawImage(
    source, columns / 2 - (ink.x - ink.left) * scale, rows / 2 - (ink.y - ink.top) * scale,
    ink.width * scale, ink.height * scale,
  );
  const pixels = context.getImageData(0, 0, columns, rows).data;
  return Array.from({ length: rows * columns }, (_, at) => pixels[4 * at + 3] / 255);
}
