// The paper on which a person draws, or shows a picture. Each change makes a new state, so that undo is easy; only the
// stroke that is being drawn grows.
const EMPTY = { strokes: [], picture: null };
const INK = "#111", INK_WIDTH = 44, KEY_STEP = 28; // in pixels of the paper
const LARGE_FILE_BYTES = 2e6, LARGEST_SIDE = 2048; // what is larger is reduced before it is sent
const paper = byId("paper"), paperContext = paper.getContext("2d", { willReadFrequently: true });
let state = EMPTY, past = [];

const isEmpty = () => !state.picture && !state.strokes.length;

// ---- what is on the paper

function replaceState(next) {
  past = [...past, state];
  changeTo(next);
}

function changeTo(next) {
  state = next;
  paintPaper();
  refresh();
}

function undo() {
  liftPens();
  if (past.length) changeTo(past.pop());
}

function clear() {
  liftPens();
  if (!isEmpty()) replaceState(EMPTY);
}

function paintPaper() {
  paperContext.clearRect(0, 0, paper.width, paper.height);
  if (state.picture) paintPicture(state.picture.bitmap);
  state.strokes.forEach(paintStroke);
  byId("prompt").hidden = !isEmpty();
}

function paintPicture(bitmap) {
  const scale = Math.min(paper.width / bitmap.width, paper.height / bitmap.height);
  const width = bitmap.width * scale, height = bitmap.height * scale;
  paperContext.drawImage(bitmap, (paper.width - width) / 2, (paper.height - height) / 2, width, height);
}

function paintStroke(points) {
  Object.assign(paperContext, { lineWidth: INK_WIDTH, lineCap: "round", lineJoin: "round", strokeStyle: INK });
  paperContext.beginPath();
  paperContext.moveTo(...points[0]);
  for (const point of points) paperContext.lineTo(...point);
  paperContext.stroke();
}

function beginStroke(point) {
  replaceState({ strokes: [...(state.picture ? [] : state.strokes), [point]], picture: null });
}

function extendStroke(points) {
  state.strokes.at(-1).push(...points);
  paintPaper();
  refresh();
}

// ---- drawing by mouse, finger and pen, and by the keyboard

let pointer = null; // the one that draws

function pointOf(event) {
  const box = paper.getBoundingClientRect();
  return [
    (event.clientX - box.left - paper.clientLeft) / paper.clientWidth * paper.width,
    (event.clientY - box.top - paper.clientTop) / paper.clientHeight * paper.height,
  ];
}

function listenForPointers() {
  paper.addEventListener("pointerdown", event => {
    if (pointer !== null || event.button || !document.body.classList.contains("drawable")) return;
    pointer = event.pointerId;
    paper.setPointerCapture(pointer);
    beginStroke(pointOf(event));
  });
  paper.addEventListener("pointermove", event => {
    if (event.pointerId === pointer) extendStroke((event.getCoalescedEvents?.() ?? [event]).map(pointOf));
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    paper.addEventListener(end, event => { if (event.pointerId === pointer) pointer = null; });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const pen = { point: [paper.width / 2, paper.height / 4], isDown: false }, pressed = new Set();

function listenForKeys() {
  paper.addEventListener("keydown", event => {
    if (event.key === " ") lowerOrLift();
    else if (event.key in ARROWS) movePen(pressed.add(event.key));
    else return;
    event.preventDefault();
    showPen();
  });
  paper.addEventListener("keyup", event => pressed.delete(event.key));
  paper.addEventListener("blur", () => { pressed.clear(); liftPens(); });
  showPen();
}

function lowerOrLift() {
  pen.isDown = !pen.isDown;
  if (pen.isDown) beginStroke(pen.point);
}

function movePen(keys) {
  const move = axis => [...keys].reduce((sum, key) => sum + KEY_STEP * ARROWS[key][axis], pen.point[axis]);
  pen.point = [0, 1].map(axis => Math.max(0, Math.min(paper.width, move(axis))));
  if (!pen.isDown) return;
  if (state.strokes.length) extendStroke([pen.point]); else beginStroke(pen.point);
}

function liftPens() {
  pointer = null;
  pen.isDown = false;
  showPen();
}

function showPen() {
  byId("pen").classList.toggle("down", pen.isDown);
  [byId("pen").style.left, byId("pen").style.top] = pen.point.map(value => `${100 * value / paper.width}%`);
}

// ---- pictures

async function showPicture(file) {
  if (!file || byId("main").classList.contains("pending")) return;
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return showError(text("error_unreadable"));
  const sendable = await sendableFile(file, bitmap);
  liftPens();
  replaceState({ strokes: [], picture: { bitmap, file: sendable } });
}

// The service reads JPEG and PNG: what else a browser opens (WebP, on some also HEIC), and large photos, it converts.
async function sendableFile(file, bitmap) {
  if (["image/jpeg", "image/png"].includes(file.type) && file.size <= LARGE_FILE_BYTES) return file;
  const scale = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [copy, context] = canvas(Math.round(bitmap.width * scale) || 1, Math.round(bitmap.height * scale) || 1);
  context.fillStyle = "#fff"; // behind transparent pixels, as the service has it
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(bitmap, 0, 0, copy.width, copy.height);
  return new Promise(resolve => copy.toBlob(resolve, "image/jpeg", 0.95));
}

function listenForFiles() {
  byId("file").addEventListener("change", event => {
    showPicture(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("dragover", event => { event.preventDefault(); document.body.classList.add("over"); });
  document.addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("over"); });
  document.addEventListener("drop", event => {
    event.preventDefault();
    document.body.classList.remove("over");
    showPicture(event.dataTransfer.files[0]);
  });
}
